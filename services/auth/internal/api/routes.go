// Package api has the routes and event handlers of auth: signing in and out, public keys, revocations, changes of
// accounts.
package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/auth/internal/signing"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
)

// Revocations lists revocations: the store.
type Revocations interface {
	Revocations(ctx context.Context, since time.Time, after string, limit int) (authv1.Revocations, error)
}

// Routes adds all routes and event handlers of auth.
func Routes(s *server.Server, in *inbox.Inbox, sessions *auth.Service, keys *signing.Ring, revocationList Revocations) {
	h := handler{sessions, revocationList, keys}
	gateway := server.Callers("api-gateway")

	// anyone: opens a session. 401 invalid_credentials, 403 banned.
	s.POST("/v1/sessions", gateway, server.Handle(h.signIn))
	// anyone: exchanges a refresh token; a repeat within a minute gets the same successor.
	s.POST("/v1/sessions/refresh", gateway, server.Handle(h.refresh))
	// signed in: ends this session. Safe to repeat.
	s.DELETE("/v1/sessions/current", gateway, s.SignedIn, server.Handle(h.signOut))
	// signed in: the caller's open sessions, and ending one of them.
	s.GET("/v1/sessions", gateway, s.SignedIn, server.Handle(h.listSessions))
	s.DELETE("/v1/sessions/:id", gateway, s.SignedIn, server.Handle(h.endSession))
	// every app: the public keys.
	s.GET("/.well-known/jwks.json", func(c *gin.Context) {
		c.Header("Cache-Control", "public, max-age=60")
		c.JSON(http.StatusOK, keys.Public())
	})

	// operator: the keys that sign, and changing them. 409 key_too_new.
	operator := s.Group("/operator/keys", s.OnlyOperator)
	operator.GET("", server.Handle(h.listKeys))
	operator.POST("/rotate", server.Handle(h.rotateKeys))
	operator.POST("/:kid/revoke", server.Handle(h.revokeKey))

	// gateway: what was revoked since; polled by each replica.
	s.GET(authv1.PathRevocations, gateway, server.Handle(h.revocations))
	// user: an account has changed. Auth asks user for its present state; safe to repeat, in any order.
	s.POST(authv1.PathRevoke, server.Callers("user"), server.Handle(h.revoke))

	// Events of the same changes, in case the call above did not arrive. Detached from the inbox's transaction because the
	// handlers call user over the network, and because a revocation must stay if the handler fails and the event is
	// parked.
	inbox.OnDetached(in, "user", userv1.TypeBanned, h.OnUserBanned)
	inbox.OnDetached(in, "user", userv1.TypeUnbanned, h.OnUserUnbanned)
	inbox.OnDetached(in, "user", userv1.TypePassword, h.OnUserPasswordChanged)
	inbox.OnDetached(in, "user", userv1.TypeDeleted, h.OnUserDeleted)
	inbox.OnDetached(in, "user", userv1.TypeRolesChanged, h.OnUserRolesChanged)
	s.ReceiveEvents(in)
	s.ServeParked(in)
}

type handler struct {
	sessions *auth.Service
	list     Revocations
	keys     *signing.Ring
}

type tokens struct {
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type"`
	ExpiresIn        int64  `json:"expires_in"`
	RefreshToken     string `json:"refresh_token"`
	RefreshExpiresIn int64  `json:"refresh_expires_in"`
}

func answer(c *gin.Context, status int, t auth.Tokens) {
	c.Header("Cache-Control", "no-store")
	c.JSON(status, tokens{
		t.Access, "Bearer", int64(t.AccessExpires / time.Second), t.Refresh, int64(t.RefreshExpires / time.Second),
	})
}

func (h handler) signIn(c *gin.Context) error {
	var in struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if len(in.Email) > 254 || len(in.Password) > 512 {
		return problem.New(problem.Unauthenticated, "invalid_credentials", "Email or password is wrong.")
	}
	t, err := h.sessions.SignIn(c.Request.Context(), in.Email, in.Password)
	if err != nil {
		return err
	}
	answer(c, http.StatusCreated, t)
	return nil
}

func (h handler) refresh(c *gin.Context) error {
	var in struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	t, err := h.sessions.Refresh(c.Request.Context(), in.RefreshToken)
	if err != nil {
		return err
	}
	answer(c, http.StatusOK, t)
	return nil
}

func (h handler) signOut(c *gin.Context) error {
	u := web.User(c)
	if err := h.sessions.SignOut(c.Request.Context(), u.ID, u.Session); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

type sessionView struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	Current    bool      `json:"current"`
}

func (h handler) listSessions(c *gin.Context) error {
	if err := web.OnlyQuery(c, "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	before, err := page.After(c)
	if err != nil {
		return err
	}
	u := web.User(c)
	list, err := h.sessions.Sessions(c.Request.Context(), u.ID, before, size+1)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, page.ByID(list, size, func(o auth.OpenSession) string { return o.ID },
		func(o auth.OpenSession) sessionView {
			return sessionView{o.ID, o.Created, o.LastUsed, o.Ends, o.ID == u.Session}
		}))
	return nil
}

func (h handler) endSession(c *gin.Context) error {
	id, err := web.ID(c, "id", "session")
	if err != nil {
		return err
	}
	if err := h.sessions.EndSession(c.Request.Context(), web.User(c).ID, id); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) revocations(c *gin.Context) error {
	var since time.Time
	if raw := c.Query("since"); raw != "" {
		var err error
		if since, err = time.Parse(time.RFC3339Nano, raw); err != nil {
			return problem.Validation(problem.Field{Field: "since", Message: "is not an RFC 3339 time"})
		}
	}
	limit := 0
	if raw := c.Query("limit"); raw != "" {
		var err error
		if limit, err = strconv.Atoi(raw); err != nil || limit < 1 || limit > 10_000 {
			return problem.Validation(problem.Field{Field: "limit", Message: "is not a whole number from 1 to 10000"})
		}
	}
	list, err := h.list.Revocations(c.Request.Context(), since, c.Query("after"), limit)
	if err != nil {
		return err
	}
	if list.Keys, err = h.keys.Published(c.Request.Context()); err != nil {
		return err
	}
	c.JSON(http.StatusOK, list)
	return nil
}

func (h handler) revoke(c *gin.Context) error {
	var in authv1.RevokeRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.UserID) {
		return problem.Validation(problem.Field{Field: "user_id", Message: "is not an id"})
	}
	if err := h.sessions.ApplyAccountState(c.Request.Context(), in.UserID); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

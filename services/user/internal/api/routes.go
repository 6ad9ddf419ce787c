// Package api has the routes of user: sign-up, profile, administration, and the requests of auth.
package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/user/internal/user"
)

// Routes adds all routes of user.
func Routes(s *server.Server, out *outbox.Outbox, users *user.Service, settings Settings) {
	h := handler{users, settings}
	gateway := server.Callers("api-gateway")

	// anyone: opens an account. 409 email_taken.
	s.POST("/v1/users", gateway, server.Handle(h.register))
	// signed in: the profile of the caller.
	s.GET("/v1/me", server.Callers("api-gateway", "assistant"), s.SignedIn, server.Handle(h.me))

	// signed in: becomes the first admin, with the secret the mall was set up with. 403 wrong_secret, 409 admin_exists,
	// secret_used.
	s.POST("/v1/me/admin", gateway, s.SignedIn, server.Handle(h.becomeAdmin))

	// anyone: sends a mail to set a new password with. The answer does not tell whether there is such an account.
	s.POST("/v1/password-resets", gateway, server.Handle(h.askReset))
	// anyone: sets a new password with the mailed token, once. Ends all sessions. 422 invalid_token.
	s.POST("/v1/password-resets/confirm", gateway, server.Handle(h.resetPassword))
	// anyone: verifies an email with the mailed token. 422 invalid_token.
	s.POST("/v1/email-verifications/confirm", gateway, server.Handle(h.verifyEmail))
	// signed in: sends a mail that verifies the email of the caller. 409 already_verified.
	s.POST("/v1/email-verifications", gateway, s.SignedIn, server.Handle(h.askVerification))
	// signed in: sets a new password, given the old one; other sessions end. 403 wrong_password.
	s.PUT("/v1/me/password", gateway, s.SignedIn, server.Handle(h.changePassword))
	// signed in: deletes the account for good. 403 wrong_password, banned, 409 last_admin, seller_account.
	s.DELETE("/v1/me", gateway, s.SignedIn, server.Handle(h.deleteAccount))

	admin := s.Group("/v1/admin/users", gateway, s.SignedIn, server.OnlyAdmin)
	// admin: accounts, or the one with an email.
	admin.GET("", server.Handle(h.list))
	// admin: replaces all roles. Safe to repeat. 409 last_admin.
	admin.PUT("/:id/roles", server.Handle(h.roles))
	// admin: bans and unbans an account. Safe to repeat; sessions end within a second. 409 last_admin.
	admin.PUT("/:id/ban", server.Handle(h.ban))
	admin.DELETE("/:id/ban", server.Handle(h.unban))

	// admin: the verdict of the last audit that an operator ran.
	s.GET("/v1/admin/audit", gateway, s.SignedIn, server.OnlyAdmin, server.Handle(h.audit))

	// auth: checks credentials. Wrong ones are an answer, not an error.
	s.POST(userv1.PathVerify, server.Callers("auth"), server.Handle(h.verify))
	// auth, product: the present state of an account.
	s.POST(userv1.PathGet, server.Callers("auth", "product"), server.Handle(h.get))
	s.ServeFeed(out, contracts.ConsumersOf("user")...)
}

type handler struct {
	users    *user.Service
	settings Settings
}

type profile struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Roles     []string  `json:"roles"`
	CreatedAt time.Time `json:"created_at"`

	EmailVerified bool `json:"email_verified"`
}

func profileOf(u *user.User) profile {
	s := u.Snapshot()
	return profile{ID: s.ID, Email: s.Email, Roles: s.Roles, CreatedAt: s.CreatedAt, EmailVerified: s.EmailVerified}
}

type account struct {
	profile
	Banned    bool   `json:"banned"`
	BanReason string `json:"ban_reason,omitempty"`
}

func accountOf(u *user.User) account {
	s := u.Snapshot()
	return account{profile: profileOf(u), Banned: s.Banned, BanReason: s.BanReason}
}

func (h handler) register(c *gin.Context) error {
	var in struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	u, err := h.users.Register(c.Request.Context(), in.Email, in.Password)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, profileOf(u))
	return nil
}

func (h handler) me(c *gin.Context) error {
	u, err := h.users.Find(c.Request.Context(), web.User(c).ID)
	if err != nil {
		return own(err)
	}
	c.JSON(http.StatusOK, profileOf(u))
	return nil
}

func (h handler) becomeAdmin(c *gin.Context) error {
	var in struct {
		Secret string `json:"secret"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if in.Secret == "" || len(in.Secret) > 200 {
		return problem.Validation(problem.Field{Field: "secret", Message: "must have 1 to 200 characters"})
	}
	u, err := h.users.AppointFirstAdmin(c.Request.Context(), web.User(c).ID, in.Secret)
	if err != nil {
		return own(err)
	}
	c.JSON(http.StatusOK, profileOf(u))
	return nil
}

func (h handler) list(c *gin.Context) error {
	if err := web.OnlyQuery(c, "email", "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	email := ""
	if raw := c.Query("email"); raw != "" {
		if len(raw) > 254 {
			return problem.Validation(problem.Field{Field: "email", Message: "is longer than any email address"})
		}
		normal, ok := user.NormalEmail(raw)
		if !ok {
			c.JSON(http.StatusOK, page.New([]account{}, ""))
			return nil
		}
		email = normal
	}
	after, err := page.After(c)
	if err != nil {
		return err
	}
	found, err := h.users.List(c.Request.Context(), email, after, size+1)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, page.ByID(found, size, func(u *user.User) string { return u.Snapshot().ID }, accountOf))
	return nil
}

func (h handler) roles(c *gin.Context) error {
	var in struct {
		Roles []string `json:"roles"`
	}
	u, err := h.change(c, &in, func(u *user.User) (user.EventKind, error) { return u.SetRoles(in.Roles) })
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, accountOf(u))
	return nil
}

type reason struct {
	Reason string `json:"reason"`
}

func (h handler) ban(c *gin.Context) error {
	var in reason
	if _, err := h.change(c, &in, func(u *user.User) (user.EventKind, error) { return u.Ban(in.Reason) }); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) unban(c *gin.Context) error {
	var in struct {
		Reason *string `json:"reason"`
	}
	_, err := h.change(c, &in, func(u *user.User) (user.EventKind, error) {
		if in.Reason != nil {
			if _, err := user.CheckReason(*in.Reason); err != nil {
				return user.None, err
			}
		}
		return u.Unban()
	})
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) change(c *gin.Context, in any, change func(*user.User) (user.EventKind, error)) (*user.User, error) {
	id, err := web.ID(c, "id", "user")
	if err != nil {
		return nil, err
	}
	if body, err := web.Body(c); err != nil {
		return nil, err
	} else if len(body) > 0 || c.Request.Method != http.MethodDelete { // a DELETE may have no body
		if err := web.Bind(c, in); err != nil {
			return nil, err
		}
	}
	return h.users.Change(c.Request.Context(), id, change)
}

func (h handler) verify(c *gin.Context) error {
	var in userv1.VerifyRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	u, err := h.users.Verify(c.Request.Context(), in.Email, in.Password)
	answer := userv1.VerifyAnswer{Verdict: userv1.VerdictOK}
	switch {
	case errors.Is(err, user.ErrInvalidCredentials):
		answer.Verdict = userv1.VerdictInvalid
	case err != nil:
		return err
	case u.Snapshot().Banned:
		answer.Verdict = userv1.VerdictBanned
	default:
		answer.User = peer(u)
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func (h handler) get(c *gin.Context) error {
	var in userv1.GetRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	answer := userv1.GetAnswer{}
	if ids.Valid(in.UserID) {
		u, err := h.users.Find(c.Request.Context(), in.UserID)
		if err != nil && problem.KindOf(err) != problem.NotFound {
			return err
		}
		if u != nil {
			answer.User = peer(u)
		}
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func peer(u *user.User) *userv1.User {
	s := u.Snapshot()
	return &userv1.User{ID: s.ID, Roles: s.Roles, Banned: s.Banned, Version: s.Version,
		PasswordID: s.PasswordID, KeptSession: s.KeptSession}
}

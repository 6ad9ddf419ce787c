package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/inbox/parked"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
	"daprmall.dev/services/kit/web"
)

// parkedPatience is how long an admin waits for the handler that has an event in its hands.
const parkedPatience = 3 * time.Second

// parkedBody is a parked event as the REST contract shows it.
type parkedBody struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Source   string    `json:"source"`
	Key      string    `json:"key"`
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"`
	NextTry  time.Time `json:"next_try_at"`
	TraceID  string    `json:"trace_id,omitempty"`
}

// ServeParked adds the routes on which admins see, retry and drop the events that this service could not handle.
func (s *Server) ServeParked(in *inbox.Inbox) {
	admin := s.Group("/v1/admin/parked-events/"+s.env.AppID, Callers("api-gateway"), s.SignedIn, OnlyAdmin)
	// admin: parked events, the oldest first.
	admin.GET("", Handle(func(c *gin.Context) error { return listParked(c, in) }))
	// admin: tries one now. Safe to repeat. 409 event_dropped.
	admin.POST("/:event/retry", Handle(func(c *gin.Context) error {
		ctx, cancel := context.WithTimeout(c.Request.Context(), parkedPatience)
		defer cancel()
		err := in.RetryParked(ctx, c.Param("event"))
		if errors.Is(err, parked.ErrHandled) {
			err = nil
		}
		return done(c, err)
	}))
	// admin: gives one up for good. Safe to repeat. 409 event_handled.
	admin.POST("/:event/drop", Handle(func(c *gin.Context) error {
		var sent struct {
			Reason string `json:"reason"`
		}
		if err := web.Bind(c, &sent); err != nil {
			return err
		}
		sent.Reason = strings.TrimSpace(sent.Reason)
		if bad := (text.Rule{Required: true, Most: 200}).Check("reason", sent.Reason); len(bad) > 0 {
			return problem.Validation(bad...)
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), parkedPatience)
		defer cancel()
		err := in.DropParked(ctx, c.Param("event"), fmt.Sprintf("%s (user %s)", sent.Reason, web.User(c).ID))
		if errors.Is(err, parked.ErrDropped) {
			err = nil
		}
		return done(c, err)
	}))
}

// OnlyAdmin admits only admins.
func OnlyAdmin(c *gin.Context) {
	if !web.User(c).Is(identity.Admin) {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "forbidden", "Only an admin may do this."))
	}
}

func listParked(c *gin.Context, in *inbox.Inbox) error {
	if err := web.OnlyQuery(c, "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	after, err := parkedAfter(c)
	if err != nil {
		return err
	}
	found, err := in.Parked(c.Request.Context(), after, size+1)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > size {
		found = found[:size]
		last := found[size-1]
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last.Since.UnixMicro(), 10) + " " + last.ID))
	}
	items := make([]parkedBody, len(found))
	for i, e := range found {
		items[i] = parkedBody{e.ID, e.Type, e.Source, e.Key, e.Reason, e.Attempts, e.Since.UTC(), e.NextTry.UTC(), e.TraceID}
	}
	c.JSON(http.StatusOK, page.New(items, next))
	return nil
}

func parkedAfter(c *gin.Context) (parked.Cursor, error) {
	token, given := c.GetQuery("page_token")
	if !given {
		return parked.Cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	since, id, found := strings.Cut(string(raw), " ")
	micros, notNumber := strconv.ParseInt(since, 10, 64)
	if err != nil || notNumber != nil || !found || id == "" || micros < 0 || micros > 1<<53 ||
		base64.RawURLEncoding.EncodeToString(raw) != token {
		return parked.Cursor{}, page.BadToken()
	}
	return parked.Cursor{Since: time.UnixMicro(micros), ID: id}, nil
}

// done answers a change of a parked event.
func done(c *gin.Context, err error) error {
	switch {
	case errors.Is(err, parked.ErrUnknown):
		return problem.NewNotFound("event")
	case errors.Is(err, parked.ErrHandled):
		return problem.New(problem.Conflict, "event_handled", "The event was handled meanwhile.")
	case errors.Is(err, parked.ErrDropped):
		return problem.New(problem.Conflict, "event_dropped", "The event was dropped.")
	case errors.Is(err, context.DeadlineExceeded):
		return problem.NewUnavailable(err, 5*time.Second, "The event is being handled. Look again.")
	case err != nil:
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

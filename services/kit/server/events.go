package server

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// maxBulk is the largest delivery in bytes: the most that a sidecar accepts (--max-body-size).
const maxBulk = 4 << 20

// bulk is a delivery of several events (Dapr's bulk subscription); a single event is a plain CloudEvent without
// entries.
type bulk struct {
	Entries []struct {
		ID    string          `json:"entryId"`
		Event json.RawMessage `json:"event"`
	} `json:"entries"`
}

// outcome is the result of an entry. The sidecar treats a missing one as RETRY.
type outcome struct {
	ID     string `json:"entryId"`
	Status string `json:"status"`
}

// EventsPath is where a service receives events: a secret path that only its own sidecar knows, from its subscriptions.
// The caller's app id is not enough, because a peer's sidecar can be made to leave it out. Without a token the path is
// /events: there an access control list keeps peers away.
func EventsPath(token string) string {
	if token == "" {
		return "/events"
	}
	return "/events/" + token
}

// Topics adds the route on which the own sidecar delivers events, single or in bulk. An event whose handler fails is
// parked by the inbox and acknowledged; RETRY is answered only if it could not be parked.
func (s *Server) Topics(in *inbox.Inbox) {
	route := EventsPath("")
	if s.env.EventsToken != "" {
		route = EventsPath(":token") // route patterns appear in metrics and logs
	}
	s.POST(route, s.notFromPeer, Handle(func(c *gin.Context) error {
		if subtle.ConstantTimeCompare([]byte(c.Param("token")), []byte(s.env.EventsToken)) != 1 {
			return problem.NewNotFound("route")
		}
		body, err := web.Read(c, maxBulk)
		if err != nil {
			return err
		}
		var b bulk
		if json.Unmarshal(body, &b) != nil || b.Entries == nil {
			if err := in.Receive(c.Request.Context(), body)[0]; err != nil {
				return err
			}
			c.JSON(http.StatusOK, gin.H{"status": "SUCCESS"})
			return nil
		}
		bodies, statuses := make([][]byte, len(b.Entries)), make([]outcome, len(b.Entries))
		for i, e := range b.Entries {
			bodies[i] = e.Event
		}
		for i, err := range in.Receive(c.Request.Context(), bodies...) {
			statuses[i] = outcome{b.Entries[i].ID, "SUCCESS"}
			if err != nil {
				statuses[i].Status = "RETRY"
				s.log.ErrorContext(c.Request.Context(), "event neither handled nor parked", "error", err)
			}
		}
		c.JSON(http.StatusOK, gin.H{"statuses": statuses})
		return nil
	}))
}

// notFromPeer refuses invocations by other apps; a delivery by the own sidecar has no caller id.
func (s *Server) notFromPeer(c *gin.Context) {
	if len(c.Request.Header.Values(callerHeader)) > 0 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "Events come only through the broker."))
	}
}

// Feed serves the outbox to subscribers: GET /events?after=pos&after_id=id.
func (s *Server) Feed(out *outbox.Outbox, subscribers ...string) {
	s.GET("/events", Callers(subscribers...), Handle(func(c *gin.Context) error {
		q, err := outbox.ParseQuery(c.Query)
		if err != nil {
			return err
		}
		page, err := out.Feed(c.Request.Context(), q)
		if err != nil {
			return err
		}
		c.JSON(http.StatusOK, page)
		return nil
	}))
}

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

// maxBulk is the largest delivery, in bytes: what a sidecar takes at most (--max-body-size).
const maxBulk = 4 << 20

// bulk is a delivery of many events (Dapr's bulk subscription); one that comes alone is a CloudEvent and has no entries.
type bulk struct {
	Entries []struct {
		ID    string          `json:"entryId"`
		Event json.RawMessage `json:"event"`
	} `json:"entries"`
}

// outcome is what became of an entry. The sidecar takes a missing one for RETRY.
type outcome struct {
	ID     string `json:"entryId"`
	Status string `json:"status"`
}

// EventsPath is where a service takes events: a path that only its own sidecar knows, from the subscriptions it was given. A peer's sidecar
// can be made to leave out whose call it is, so who calls is not enough here. Without a token it is plain /events: where an access
// control list keeps peers away.
func EventsPath(token string) string {
	if token == "" {
		return "/events"
	}
	return "/events/" + token
}

// Topics mounts the one route on which the service's own sidecar delivers events, alone or in bulk. What fails is parked by the inbox and
// acknowledged; only what could not even be parked is to come again.
func (s *Server) Topics(in *inbox.Inbox) {
	route := EventsPath("")
	if s.env.EventsToken != "" {
		route = EventsPath(":token") // anybody may read a route's pattern in the metrics, and it stands in the log
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

// notFromPeer: a peer could invoke the route; a delivery by the own sidecar carries no caller id.
func (s *Server) notFromPeer(c *gin.Context) {
	if len(c.Request.Header.Values(callerHeader)) > 0 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "Events come only through the broker."))
	}
}

// Feed serves the outbox as a feed to those who subscribe to it: GET /events?after=pos&after_id=id.
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

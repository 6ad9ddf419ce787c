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

// maxDelivery is the largest delivery in bytes: the most that a sidecar accepts (--max-body-size).
const maxDelivery = 4 << 20

// bulkDelivery is a delivery of several events (Dapr's bulk subscription). A single event is delivered as a plain
// CloudEvent.
type bulkDelivery struct {
	Entries []struct {
		ID    string          `json:"entryId"`
		Event json.RawMessage `json:"event"`
	} `json:"entries"`
}

// entryStatus is the result of one event of a bulk delivery. The sidecar treats a missing one as RETRY.
type entryStatus struct {
	ID     string `json:"entryId"`
	Status string `json:"status"`
}

// EventsPath is where a service receives events. With a token it is a secret path, which only the service and its own
// sidecar have: a delivery by the sidecar carries no app id, and a peer's sidecar can be made to leave out the app id
// of a call, so the app id cannot tell the two apart. Without a token, Dapr's access control lists must keep peers
// away.
func EventsPath(token string) string {
	if token == "" {
		return "/events"
	}
	return "/events/" + token
}

// ReceiveEvents adds the route on which the service's sidecar delivers events, single or in bulk. The inbox parks an
// event whose handler fails, so it is acknowledged; RETRY is answered only if parking failed.
func (s *Server) ReceiveEvents(in *inbox.Inbox) {
	route := EventsPath("")
	if s.env.EventsToken != "" {
		route = EventsPath(":token") // route patterns appear in metrics and logs
	}
	s.POST(route, s.refusePeers, Handle(func(c *gin.Context) error {
		if subtle.ConstantTimeCompare([]byte(c.Param("token")), []byte(s.env.EventsToken)) != 1 {
			return problem.NewNotFound("route")
		}
		body, err := web.Read(c, maxDelivery)
		if err != nil {
			return err
		}
		var b bulkDelivery
		if json.Unmarshal(body, &b) != nil || b.Entries == nil {
			if err := in.Receive(c.Request.Context(), body)[0]; err != nil {
				return err
			}
			c.JSON(http.StatusOK, gin.H{"status": "SUCCESS"})
			return nil
		}
		bodies, statuses := make([][]byte, len(b.Entries)), make([]entryStatus, len(b.Entries))
		for i, e := range b.Entries {
			bodies[i] = e.Event
		}
		for i, err := range in.Receive(c.Request.Context(), bodies...) {
			statuses[i] = entryStatus{b.Entries[i].ID, "SUCCESS"}
			if err != nil {
				statuses[i].Status = "RETRY"
				s.log.ErrorContext(c.Request.Context(), "event neither handled nor parked", "error", err)
			}
		}
		c.JSON(http.StatusOK, gin.H{"statuses": statuses})
		return nil
	}))
}

// refusePeers refuses invocations by other apps; a delivery by the service's own sidecar has no caller id.
func (s *Server) refusePeers(c *gin.Context) {
	if len(c.Request.Header.Values(callerHeader)) > 0 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "Events come only through the broker."))
	}
}

// ServeFeed adds the route of the feed for the consumers of the service's events: GET /events?after=pos&after_id=id.
func (s *Server) ServeFeed(out *outbox.Outbox, consumers ...string) {
	s.GET("/events", Callers(consumers...), Handle(func(c *gin.Context) error {
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

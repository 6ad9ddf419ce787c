package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/problem"
)

// Topics mounts a route for each event the inbox handles: POST /events/order-placed and so on, called by the
// room's own sidecar. What fails is parked by the inbox and acknowledged; 500 only if even parking failed.
func (s *Server) Topics(in *inbox.Inbox) {
	for _, slug := range in.Slugs() {
		s.POST("/events/"+slug, s.notFromPeer, Handle(func(c *gin.Context) error {
			body, err := Body(c)
			if err != nil {
				return err
			}
			if err := in.Receive(c.Request.Context(), body); err != nil {
				return err
			}
			c.JSON(http.StatusOK, gin.H{"status": "SUCCESS"})
			return nil
		}))
	}
}

// notFromPeer: a peer could invoke an event route; a delivery by the own sidecar carries no caller id.
func (s *Server) notFromPeer(c *gin.Context) {
	if len(c.Request.Header.Values(callerHeader)) > 0 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "Events come only through the broker."))
	}
}

// Feed serves the outbox as a feed to those who subscribe to it: GET /events?after=pos.
func (s *Server) Feed(out *outbox.Outbox, subscribers ...string) {
	s.GET("/events", Callers(subscribers...), Handle(func(c *gin.Context) error {
		q, err := outbox.ParseQuery(c.Query("after"), c.Query("limit"), c.Query("min_age_ms"))
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

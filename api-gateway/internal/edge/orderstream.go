package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/api-gateway/internal/orderstream"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
)

const (
	// A stream without news sends a comment after this time, so that client and proxies know that it lives.
	heartbeatEvery = 14 * time.Second
	// How long a client waits before it opens an ended stream again: all streams end together when the gateway restarts.
	retryAtLeast, retryAtMost = time.Second, 4 * time.Second
	// writeWithin bounds a write to a client that does not read.
	writeWithin = 10 * time.Second
)

const eventStream = "text/event-stream"

// streamOrder answers with the states of an order: those that it has had, and each new one (Server-Sent Events). It
// ends when no other can follow, when the caller's access ends, or when the process does.
func (g *Gateway) streamOrder(c *gin.Context, user identity.User) error {
	if !acceptsEvents(c.Request.Header.Values("Accept")) {
		return errNotAcceptable
	}
	token := bearer(c.Request.Header)
	ctx := identity.With(c.Request.Context(), user, token)
	leave, ok := g.Limits.Admission.Enter()
	if !ok {
		return g.refuseFull()
	}
	s, err := g.Orders.Open(ctx, user.ID, c.Param("id"), c.Request.Header.Get("Last-Event-Id"),
		func(ctx context.Context) error {
			_, err := g.Guard.Authenticate(ctx, token)
			return err
		})
	leave()
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%w: %w", errClientLeft, err)
	case problem.KindOf(err) == problem.TooManyRequests:
		g.Metrics.limited.WithLabelValues("streams").Inc()
		return err
	case err != nil:
		return err
	}
	defer s.Close()
	if s.Over() && len(s.Backlog()) == 0 { // a browser that gets 204 does not ask again
		c.Writer.WriteHeader(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		return nil
	}
	c.Header("Content-Type", eventStream)
	c.Header("X-Accel-Buffering", "no") // nginx would collect the events
	c.Status(http.StatusOK)
	streamBegins(c)
	sendEntries(ctx, c.Writer, s)
	return nil
}

// sendEntries writes entries until the stream has to end or the client has disconnected.
func sendEntries(ctx context.Context, w http.ResponseWriter, s *orderstream.Stream) {
	retry := retryAtLeast + rand.N(retryAtMost-retryAtLeast)
	text := fmt.Appendf(nil, "retry: %d\n\n", retry.Milliseconds())
	entries, going := s.Backlog(), true
	heartbeat := time.NewTimer(heartbeatEvery)
	defer heartbeat.Stop()
	for going {
		for _, e := range entries {
			data, _ := json.Marshal(e.Change) // strings and a time
			text = fmt.Appendf(text, "id: %s\ndata: %s\n\n", e.ID(), data)
		}
		if len(text) == 0 {
			text = []byte(":\n\n")
		}
		if sendNow(w, text) != nil || s.Over() {
			return
		}
		text = nil
		heartbeat.Reset(heartbeatEvery)
		entries, going = s.Next(ctx, heartbeat.C)
	}
}

// sendNow writes and flushes a piece of a stream.
func sendNow(w http.ResponseWriter, piece []byte) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := w.Write(piece); err != nil {
		return err
	}
	if err := control.Flush(); err != nil {
		return err
	}
	return control.SetWriteDeadline(time.Time{}) // HTTP/2 would end a stream that does not write
}

// acceptsEvents reports whether a client that sends these headers Accept takes an event stream.
func acceptsEvents(accept []string) bool {
	if len(accept) == 0 {
		return true
	}
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err == nil && params["q"] != "0" && (media == eventStream || media == "text/*" || media == "*/*") {
			return true
		}
	}
	return false
}

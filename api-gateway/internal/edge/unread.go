package edge

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/api-gateway/internal/limit"
)

// boundUnread counts what a client has not read yet, whoever wrote it.
func (g *Gateway) boundUnread(c *gin.Context) {
	client := household(clientAddr(c.Request, g.Proxies()))
	c.Writer = &readingClient{ResponseWriter: c.Writer, answers: g.Limits.Answers, client: client, cutOff: g.Metrics.cutOff}
	c.Next()
}

// readingClient is a client to which a write may take its time.
type readingClient struct {
	gin.ResponseWriter
	answers *limit.Answers
	client  string
	cutOff  func()
}

func (w *readingClient) Write(b []byte) (int, error) {
	leave := w.answers.Enter(w.client, len(b), w.cut)
	defer leave()
	return w.ResponseWriter.Write(b)
}

func (w *readingClient) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// cut makes a write that waits for its reader fail, and with it the connection or the stream.
func (w *readingClient) cut() {
	if http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now()) == nil {
		w.cutOff()
	}
}

func (w *readingClient) Unwrap() http.ResponseWriter { return w.ResponseWriter }

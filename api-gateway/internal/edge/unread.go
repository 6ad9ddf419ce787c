package edge

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/api-gateway/internal/limit"
)

// boundUnread makes every write of an answer count in limit.Answers until the client has read it.
func (g *Gateway) boundUnread(c *gin.Context) {
	client := clientKey(clientAddr(c.Request, g.TrustedProxies()))
	c.Writer = &readingClient{ResponseWriter: c.Writer, answers: g.Limits.Answers, client: client,
		cutOff:      g.Metrics.cutOff,
		multiplexed: c.Request.ProtoMajor > 1}
	c.Next()
}

// readingClient is a response writer that counts bytes until the client has read them.
type readingClient struct {
	gin.ResponseWriter
	answers *limit.Answers
	client  string
	cutOff  func()

	multiplexed bool // HTTP/2: what a stream's closed window holds back waits in this process, not in the socket
}

func (w *readingClient) Write(b []byte) (int, error) {
	leave := w.answers.Enter(w.client, len(b), w.cut)
	defer leave()
	n, err := w.ResponseWriter.Write(b)
	if err == nil && w.multiplexed {
		// flush here, where it is counted, and not after the handler
		err = http.NewResponseController(w.ResponseWriter).Flush()
	}
	return n, err
}

func (w *readingClient) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// cut makes a blocked write fail, and with it the connection or the stream.
func (w *readingClient) cut() {
	if http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now()) == nil {
		w.cutOff()
	}
}

func (w *readingClient) Unwrap() http.ResponseWriter { return w.ResponseWriter }

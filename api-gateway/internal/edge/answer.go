package edge

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// Refusals whose status only the gateway uses.
var (
	errCompressed       = errors.New("compressed body")
	errMethodNotAllowed = errors.New("method not allowed")
	errURLTooLong       = errors.New("address too long")
	errHeadersTooLarge  = errors.New("headers too large")
	errNotAcceptable    = errors.New("the client does not accept an event stream")
)

// mediaTypeError refuses a body that is of none of these types.
type mediaTypeError []string

func (e mediaTypeError) Error() string { return "the body is not " + strings.Join(e, " or ") }

// wanted says what to send.
func (e mediaTypeError) wanted() string {
	types := strings.Join(e, " or ")
	if strings.HasPrefix(types, "image/") {
		return types
	}
	return types + ", in UTF-8"
}

// statusClientLeft is the status in log and metrics of a request whose client disconnected first (nginx's 499).
const statusClientLeft = 499

// refuse answers with a problem document and logs what the caller must not see.
func (g *Gateway) refuse(c *gin.Context, err error) {
	c.Abort()
	ctx := c.Request.Context()
	if errors.Is(err, errClientLeft) {
		c.Status(statusClientLeft)
		return
	}
	doc, retry := problemDocument(err, web.TraceID(c))
	if doc.Status == http.StatusUnauthorized {
		challenge := `Bearer realm="mall"`
		if bearer(c.Request.Header) != "" {
			challenge += `, error="invalid_token"`
		}
		c.Header("WWW-Authenticate", challenge)
	}
	if errors.Is(err, errCompressed) {
		c.Header("Accept-Encoding", "identity") // RFC 9110, 15.5.16
	}
	if doc.Status >= 500 {
		g.log.LogAttrs(ctx, slog.LevelError, "request failed", slog.String("route", c.FullPath()),
			slog.Int("status", doc.Status), slog.Any("error", err))
	}
	if !c.Writer.Written() {
		c.Header("Cache-Control", "no-store")
	}
	web.WriteProblem(c, doc, retry)
}

// problemDocument describes an error to the client: the refusals above here, all others by problem.Describe.
func problemDocument(err error, trace string) (problem.Document, time.Duration) {
	var media mediaTypeError
	switch {
	case errors.Is(err, errMethodNotAllowed):
		return problem.NewDocument(http.StatusMethodNotAllowed, "method_not_allowed",
			"This address does not know the method; Allow says which it knows.", trace), 0
	case errors.Is(err, errURLTooLong):
		return problem.NewDocument(http.StatusRequestURITooLong, "uri_too_long",
			"The address with its query is longer than 8 KiB.", trace), 0
	case errors.Is(err, errHeadersTooLarge):
		return problem.NewDocument(http.StatusRequestHeaderFieldsTooLarge, "headers_too_large",
			"The headers are larger than 12 KiB, or those that are passed on than 4 KiB.", trace), 0
	case errors.Is(err, errNotAcceptable):
		return problem.NewDocument(http.StatusNotAcceptable, "not_acceptable",
			"The answer is an event stream: send Accept: text/event-stream, or none.", trace), 0
	case errors.As(err, &media):
		return problem.NewDocument(http.StatusUnsupportedMediaType, "unsupported_media_type",
			"Send the body as "+media.wanted()+".", trace), 0
	case errors.Is(err, errCompressed):
		return problem.NewDocument(http.StatusUnsupportedMediaType, "unsupported_media_type",
			"Send the body as it is, without a Content-Encoding.", trace), 0
	}
	return problem.Describe(err, trace)
}

func errTooManyRequests(retry time.Duration) error {
	return problem.New(problem.TooManyRequests, "too_many_requests",
		"Too many requests; Retry-After says when to go on.").After(max(retry, time.Millisecond))
}

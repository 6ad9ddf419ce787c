package edge

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// Refusals whose status only the gateway uses.
var (
	errUnsupported = errors.New("unsupported media type")
	errMethod      = errors.New("method not allowed")
	errTarget      = errors.New("address too long")
	errHeaders     = errors.New("headers too large")
)

// statusGone is logged and counted for requests whose client disconnected first (nginx's number).
const statusGone = 499

// refuse answers with a problem document and logs what the caller must not see.
func (g *Gateway) refuse(c *gin.Context, err error) {
	c.Abort()
	ctx := c.Request.Context()
	if errors.Is(err, errGone) {
		c.Status(statusGone)
		return
	}
	doc, retry := describe(err, web.TraceID(c))
	if doc.Status == http.StatusUnauthorized {
		challenge := `Bearer realm="mall"`
		if bearer(c.Request.Header) != "" {
			challenge += `, error="invalid_token"`
		}
		c.Header("WWW-Authenticate", challenge)
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

func describe(err error, trace string) (problem.Document, time.Duration) {
	switch {
	case errors.Is(err, errMethod):
		return problem.NewDocument(http.StatusMethodNotAllowed, "method_not_allowed",
			"This address does not know the method; Allow says which it knows.", trace), 0
	case errors.Is(err, errTarget):
		return problem.NewDocument(http.StatusRequestURITooLong, "uri_too_long",
			"The address with its query is longer than 8 KiB.", trace), 0
	case errors.Is(err, errHeaders):
		return problem.NewDocument(http.StatusRequestHeaderFieldsTooLarge, "headers_too_large",
			"The headers are larger than 12 KiB, or those that are passed on than 4 KiB.", trace), 0
	case errors.Is(err, errUnsupported):
		return problem.NewDocument(http.StatusUnsupportedMediaType, "unsupported_media_type",
			"Send the body as application/json.", trace), 0
	}
	return problem.Describe(err, trace)
}

func tooMany(retry time.Duration) error {
	return problem.New(problem.TooManyRequests, "too_many_requests",
		"Too many requests; Retry-After says when to go on.").After(max(retry, time.Millisecond))
}

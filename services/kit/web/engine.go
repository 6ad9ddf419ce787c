// Package web is what the gateway and every service share of HTTP: an engine, problem documents, readiness, strict
// reading of requests, and a server that finishes what it has begun.
package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
)

// NewEngine makes a Gin engine that answers 405 for a method a path does not have, never redirects, and believes no
// forwarding header.
func NewEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.ForwardedByClientIP = false
	return e
}

// Trace puts the caller's trace, or a new one, into the request's context.
func Trace(c *gin.Context) {
	ctx := c.Request.Context()
	c.Request = c.Request.WithContext(telemetry.WithTrace(ctx, telemetry.ParseTrace(c.GetHeader("traceparent"))))
}

// TraceID returns the id of the request's trace.
func TraceID(c *gin.Context) string { return telemetry.TraceOf(c.Request.Context()).ID }

// Recover turns a panic into a refusal and one log line with the stack; the process lives on.
func Recover(log *slog.Logger, refuse func(c *gin.Context, err error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if err, ok := r.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(r) // net/http breaks the connection off
			}
			log.ErrorContext(c.Request.Context(), "panic", "route", c.FullPath(), "panic", fmt.Sprint(r), "stack",
				string(debug.Stack()))
			c.Abort()
			refuse(c, problem.New(problem.Internal, "internal", "Something went wrong on our side. Give support the trace_id."))
		}()
		c.Next()
	}
}

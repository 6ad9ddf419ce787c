// Package server is the HTTP side of a service: a Gin engine whose routes return errors, name their callers, and answer
// errors as problem+json.
package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/profiling"
	"daprmall.dev/services/kit/web"
)

const (
	callerHeader = "dapr-caller-app-id"
	tokenHeader  = "dapr-api-token" //nolint:gosec // the name of a header
)

// Server is a service's engine with the routes that every service has.
type Server struct {
	*gin.Engine
	MissingSettings func() []string // names the required settings that are unknown; may be nil

	env        config.Env
	log        *slog.Logger
	verifier   *identity.Verifier
	callerKeys map[string]string // by caller; nil: app ids are trusted
	checks     []web.Check
}

// New makes the engine: /healthz, /readyz and /metrics for operators, everything else only for its own sidecar, which
// must send APP_API_TOKEN.
func New(env config.Env, log *slog.Logger, v *identity.Verifier, checks ...web.Check) *Server {
	e := web.NewEngine()
	s := &Server{Engine: e, env: env, log: log, verifier: v, checks: checks}
	e.Use(web.Trace, s.provideLog, measure, web.Recover(log, fail))
	e.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	e.GET("/readyz", func(c *gin.Context) { web.Ready(c, s.checks) })
	e.GET("/metrics", gin.WrapH(promhttp.Handler()))
	e.NoRoute(Handle(func(*gin.Context) error { return problem.NewNotFound("route") }))
	e.NoMethod(func(c *gin.Context) {
		web.WriteProblem(c, problem.NewDocument(http.StatusMethodNotAllowed, "method_not_allowed",
			"This route does not know the method.", web.TraceID(c)), 0)
	})
	e.Use(s.onlySidecar, s.checkCallerKey)
	profiling.Mount(e.Group("/debug/pprof", s.OnlyOperator))
	return s
}

func (s *Server) provideLog(c *gin.Context) { c.Set(logKey, s.log) }

var requestSeconds = web.NewRequestSeconds(prometheus.DefaultRegisterer)

func measure(c *gin.Context) {
	start := time.Now()
	c.Next()
	method, route := web.RouteLabels(c)
	requestSeconds.WithLabelValues(method, route, strconv.Itoa(c.Writer.Status())).Observe(time.Since(start).Seconds())
}

func (s *Server) onlySidecar(c *gin.Context) {
	if subtle.ConstantTimeCompare([]byte(c.GetHeader(tokenHeader)), []byte(s.env.AppAPIToken)) != 1 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "not_through_sidecar", "This port serves only its own sidecar."))
	}
}

// RequireCallerKeys makes every caller prove its app id by the key that it has for this service: without mutual TLS a
// sidecar accepts a call in any app's name (ADR 26). Call it before serving.
func (s *Server) RequireCallerKeys(keys map[string]string) { s.callerKeys = keys }

// checkCallerKey refuses a caller that does not send the key of the app id that it claims.
func (s *Server) checkCallerKey(c *gin.Context) {
	caller := c.GetHeader(callerHeader)
	if s.callerKeys == nil || caller == "" { // Callers refuses calls without an app id
		return
	}
	key := s.callerKeys[caller]
	if key == "" || subtle.ConstantTimeCompare([]byte(c.GetHeader(identity.CallerKeyHeader)), []byte(key)) != 1 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "This app may not call this route."))
	}
}

// Check adds a check to /readyz; call it before serving.
func (s *Server) Check(c web.Check) { s.checks = append(s.checks, c) }

// WithSettings is for routes that need required settings. It refuses requests while one is unknown: its default could
// be a wrong price or the wrong payment provider.
func (s *Server) WithSettings(c *gin.Context) {
	if s.MissingSettings == nil {
		return
	}
	if err := web.MissingSettings(s.MissingSettings()); err != nil {
		c.Abort()
		fail(c, problem.NewUnavailable(err, 5*time.Second, "A part of the mall is not set up right now."))
	}
}

// OnlyOperator admits only callers that send both tokens of the app: operators on the same machine. One token is not
// enough: the sidecar adds APP_API_TOKEN to every call, also to one of a peer. DAPR_API_TOKEN is known to no peer.
func (s *Server) OnlyOperator(c *gin.Context) {
	given := []byte(c.GetHeader("Authorization"))
	if s.env.DaprAPIToken == "" || subtle.ConstantTimeCompare(given, []byte("Bearer "+s.env.DaprAPIToken)) != 1 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "This is for those who run the mall."))
	}
}

// Callers admits only these apps. The caller's sidecar adds its app id, but passes on one that the caller wrote itself:
// two ids on one request mean spoofing.
func Callers(apps ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		ids := c.Request.Header.Values(callerHeader)
		if len(ids) != 1 || !slices.Contains(apps, ids[0]) {
			c.Abort()
			fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "This app may not call this route."))
		}
	}
}

// SignedIn admits only requests with a valid access token and puts the user into the request's context.
func (s *Server) SignedIn(c *gin.Context) {
	ctx := c.Request.Context()
	token, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	if !ok {
		c.Abort()
		fail(c, problem.New(problem.Unauthenticated, "unauthenticated",
			"Sign in: the access token is missing, expired or not valid."))
		return
	}
	u, err := s.verifier.Verify(ctx, token)
	if err != nil {
		c.Abort()
		fail(c, err)
		return
	}
	c.Request = c.Request.WithContext(identity.With(ctx, u, token))
}

// SignedInIfToken is SignedIn for calls with a token; calls without one have no user. It is for routes between services
// that earlier versions call without a token.
func (s *Server) SignedInIfToken(c *gin.Context) {
	if c.GetHeader("Authorization") != "" {
		s.SignedIn(c)
	}
}

// Handle makes a Gin handler from one that returns an error.
func Handle(h func(c *gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			fail(c, err)
		}
	}
}

const logKey = "mall.log"

// fail answers with an error's problem document and logs details that the caller must not see.
func fail(c *gin.Context, err error) {
	_ = c.Error(err)
	if problem.KindOf(err) == problem.Internal && postgres.IsUnavailable(err) {
		err = problem.NewUnavailable(err, time.Second, "A part of the mall cannot be reached right now.")
	}
	doc, retry := problem.Describe(err, web.TraceID(c))
	if c.Request.Header.Get("Idempotency-Key") != "" {
		doc = keyed.Advise(doc)
	}
	if doc.Status >= 500 {
		if l, ok := c.Get(logKey); ok {
			level := slog.LevelError
			if errors.Is(err, context.Canceled) {
				level = slog.LevelInfo // the caller disconnected
			}
			l.(*slog.Logger).Log(c.Request.Context(), level, "request failed", "method", c.Request.Method, "route", c.FullPath(),
				"status", doc.Status, "error", err)
		}
	}
	web.WriteProblem(c, doc, retry)
}

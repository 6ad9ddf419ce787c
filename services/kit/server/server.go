// Package server is the web side of a service: one Gin engine whose routes return their errors,
// are guarded by who calls, and answer problems as problem+json.
package server

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 1 << 20

const (
	callerHeader = "dapr-caller-app-id"
	tokenHeader  = "dapr-api-token" //nolint:gosec // the name of a header
)

// Check says what a process needs to serve, and whether it has it.
type Check struct {
	Name string
	Ask  func(ctx context.Context) error
	Soft bool // operators are told; the process serves without it
}

// Server is a service's engine with the routes every service has.
type Server struct {
	*gin.Engine
	Settings func() []string // names the settings that are needed and not known; may be nil

	env      config.Env
	log      *slog.Logger
	verifier *identity.Verifier
	keys     map[string]string // by caller; nil: callers are believed
	checks   []Check
}

// New makes the engine: /healthz, /readyz and /metrics for operators, everything else only for the own
// sidecar (it must show APP_API_TOKEN).
func New(env config.Env, log *slog.Logger, v *identity.Verifier, checks ...Check) *Server {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	s := &Server{Engine: e, env: env, log: log, verifier: v, checks: checks}
	e.Use(s.trace, measure, s.recover)
	e.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	e.GET("/readyz", s.ready)
	e.GET("/metrics", gin.WrapH(promhttp.Handler()))
	e.NoRoute(Handle(func(*gin.Context) error { return problem.NewNotFound("route") }))
	e.NoMethod(func(c *gin.Context) {
		c.Status(http.StatusMethodNotAllowed)
		writeProblem(c, problem.Document{Type: "about:blank", Title: "Method Not Allowed", Status: http.StatusMethodNotAllowed,
			Code: "method_not_allowed", Detail: "This route does not know the method.", TraceID: traceID(c)}, 0)
	})
	e.Use(s.onlySidecar, s.knownCaller)
	s.profiles()
	return s
}

func (s *Server) trace(c *gin.Context) {
	c.Request = c.Request.WithContext(telemetry.WithTrace(c.Request.Context(), telemetry.ParseTrace(c.GetHeader("traceparent"))))
	c.Set(logKey, s.log)
}

// recover turns a panic into an answer and a log line; the process lives on.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(r)
			}
			s.log.ErrorContext(c.Request.Context(), "panic", "route", c.FullPath(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			c.Abort()
			fail(c, problem.New(problem.Internal, "internal", "Something went wrong on our side. Give support the trace_id."))
		}
	}()
	c.Next()
}

func (s *Server) onlySidecar(c *gin.Context) {
	if subtle.ConstantTimeCompare([]byte(c.GetHeader(tokenHeader)), []byte(s.env.AppAPIToken)) != 1 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "not_through_sidecar", "This port serves only its own sidecar."))
	}
}

// RequireKeys makes every caller prove its app id by the key it has for this service. Without mutual TLS a sidecar
// takes a call in any app's name. Call it before serving.
func (s *Server) RequireKeys(keys map[string]string) { s.keys = keys }

// knownCaller refuses an app id without its key.
func (s *Server) knownCaller(c *gin.Context) {
	caller := c.GetHeader(callerHeader)
	if s.keys == nil || caller == "" { // Callers refuses those that have no name
		return
	}
	key := s.keys[caller]
	if key == "" || subtle.ConstantTimeCompare([]byte(c.GetHeader(identity.CallerKeyHeader)), []byte(key)) != 1 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "This app may not call this route."))
	}
}

// Check adds to what /readyz asks; before the server runs.
func (s *Server) Check(c Check) { s.checks = append(s.checks, c) }

func (s *Server) ready(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 3*time.Second)
	defer cancel()
	missing, degraded := gin.H{}, gin.H{}
	for _, check := range s.checks {
		err := check.Ask(ctx)
		if err == nil {
			continue
		}
		to, text := missing, "not reachable"
		if check.Soft {
			to = degraded
		}
		if unmet := (UnmetError("")); errors.As(err, &unmet) {
			text = string(unmet)
		}
		to[check.Name] = text
	}
	answer := gin.H{"status": "ready"}
	if len(degraded) > 0 {
		answer["degraded"] = degraded
	}
	if len(missing) > 0 {
		answer["status"], answer["missing"] = "not ready", missing
		c.JSON(http.StatusServiceUnavailable, answer)
		return
	}
	c.JSON(http.StatusOK, answer)
}

// UnmetError is the error of a Check that may be shown to operators as it is.
type UnmetError string

func (u UnmetError) Error() string { return string(u) }

// MissingSettings is the error of settings that are not known, nil if there are none.
func MissingSettings(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return UnmetError("not known: " + strings.Join(keys, ", "))
}

// WithSettings refuses a route that needs settings while one of them is not known: better nothing than a wrong price, or money
// through a provider that nobody chose.
func (s *Server) WithSettings(c *gin.Context) {
	if s.Settings == nil {
		return
	}
	if err := MissingSettings(s.Settings()); err != nil {
		c.Abort()
		fail(c, problem.NewUnavailable(err, 5*time.Second, "A part of the mall is not set up right now."))
	}
}

// Callers admits only these apps. The caller's sidecar adds its id, but lets an id through that the caller wrote
// itself, before or after its own: two ids on one request mean spoofing.
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
		fail(c, problem.New(problem.Unauthenticated, "unauthenticated", "Sign in: the access token is missing, expired or not valid."))
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

// User gives the signed-in user of a route behind SignedIn.
func User(c *gin.Context) identity.User {
	u, ok := identity.From(c.Request.Context())
	if !ok {
		panic("server: a route that needs a user is not behind SignedIn")
	}
	return u
}

// Handle makes a Gin handler of one that returns its error.
func Handle(h func(c *gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			fail(c, err)
		}
	}
}

const logKey = "mall.log"

// fail answers an error once and logs what the caller must not see.
func fail(c *gin.Context, err error) {
	_ = c.Error(err)
	if problem.KindOf(err) == problem.Internal && postgres.IsUnavailable(err) {
		err = problem.NewUnavailable(err, time.Second, "A part of the mall cannot be reached right now.")
	}
	doc, retry := problem.Describe(err, traceID(c))
	if doc.Status >= 500 {
		if l, ok := c.Get(logKey); ok {
			level := slog.LevelError
			if errors.Is(err, context.Canceled) {
				level = slog.LevelInfo // the caller went away
			}
			l.(*slog.Logger).Log(c.Request.Context(), level, "request failed", "method", c.Request.Method, "route", c.FullPath(), "status", doc.Status, "error", err)
		}
	}
	writeProblem(c, doc, retry)
}

func writeProblem(c *gin.Context, doc problem.Document, retry time.Duration) {
	if c.Writer.Written() {
		return
	}
	if retry > 0 {
		c.Header("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	}
	body, err := json.Marshal(doc)
	if err != nil {
		c.Status(http.StatusInternalServerError)
		return
	}
	c.Data(doc.Status, problem.ContentType, body)
}

func traceID(c *gin.Context) string { return telemetry.TraceOf(c.Request.Context()).ID }

// Run serves until ctx ends, then finishes the requests under way (20 s at most).
func Run(ctx context.Context, env config.Env, log *slog.Logger, h http.Handler) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{
		Handler: h, Protocols: protocols,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	l, err := net.Listen("tcp", env.Addr())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	log.Info("serving", "addr", env.Addr())
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		return srv.Shutdown(stop)
	}
}

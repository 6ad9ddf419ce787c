// Package edge is the gateway's HTTP side: the table of routes, the checks every request passes, and the proxy that
// forwards it to a service through the sidecar.
package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/api-gateway/internal/limit"
	"daprmall.dev/api-gateway/internal/orderstream"
	"daprmall.dev/api-gateway/internal/storefront"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// Guard authenticates callers and applies the policy.
type Guard interface {
	// Authenticate returns the user of a token, or Unauthenticated or Unavailable.
	Authenticate(ctx context.Context, token string) (identity.User, error)
	// Allows reports whether a caller with these roles (none: anonymous) may call the route.
	Allows(method, path string, roles []string) bool
}

// Limits bound what one client, and all clients together, may use.
type Limits struct {
	Addresses *limit.Buckets
	Users     *limit.Buckets
	SignIn    *limit.SignIn
	// declined cards of users, and from addresses
	Declined, DeclinedAt *limit.Buckets
	Admission            *limit.Admission
	Bodies               *limit.Shares
	Files                *limit.Shares // of users
	Streams              *limit.Shares
	Answers              *limit.Answers
}

// Gateway serves the public API. All fields of Deps are required.
type Gateway struct {
	Deps
	log *slog.Logger
}

// Deps are what a gateway needs.
type Deps struct {
	Guard           Guard
	Proxy           *Proxy
	Limits          Limits
	Shared          *Shared
	Orders          *orderstream.Hub // streams of orders
	Origins         func() *Origins  // whose pages may call from a browser
	Metrics         *Metrics
	TrustedProxies  func() []netip.Prefix // whose X-Forwarded-For is trusted
	MissingSettings func() []string       // settings that are not known
	Settings        func() []config.State // those of the gateway itself
	Checks          []web.Check
	OpenAPI         []byte
	OpenAPIJSON     []byte
	Pictures        fs.FS // <name>.svg; nil: there are none
	Shop            *storefront.Site
}

// Handler builds the gateway's HTTP handler. Middlewares apply to the routes that are added after them: the gateway's
// own routes answer even while settings are missing or the gateway is full.
func Handler(log *slog.Logger, deps Deps) http.Handler {
	g := &Gateway{Deps: deps, log: log}
	e := web.NewEngine()
	e.Use(web.Trace, g.observe, web.Recover(log, g.refuse), g.boundUnread, setSecurityHeaders, g.allowOrigins,
		g.refuseTooLarge)
	e.NoRoute(g.notForAnyone)
	e.NoMethod(func(c *gin.Context) { g.refuse(c, errMethodNotAllowed) })
	g.ownRoutes(e)
	e.Use(g.needSettings, g.shedLoad)
	for _, route := range Routes() {
		e.Handle(route.Method, ginPattern(route.Path), g.serve(route))
		if route.Method == http.MethodGet && !route.Stream {
			e.HEAD(ginPattern(route.Path), g.serve(route)) // net/http drops the body of a HEAD answer
		}
	}
	return e
}

// serve makes the handler of a route.
func (g *Gateway) serve(route Route) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := g.handle(c, route); err != nil {
			g.refuse(c, err)
		}
	}
}

// handle checks a request in the order that README.md describes, and forwards it.
func (g *Gateway) handle(c *gin.Context, route Route) error {
	ctx, r := c.Request.Context(), c.Request
	client := clientKey(clientAddr(r, g.TrustedProxies()))
	request := call{route: route, header: http.Header{}, stream: g.enterStream(client)}

	var user identity.User
	if route.Access == Anyone {
		if err := g.rateLimit(g.Limits.Addresses, "address", client); err != nil {
			return err
		}
	} else {
		var err error
		if user, err = g.Guard.Authenticate(ctx, bearer(r.Header)); err != nil {
			// Failed authentication is limited by address; a signed-in user is limited by id, because many users may share an
			// address.
			if limited := g.rateLimit(g.Limits.Addresses, "address", client); limited != nil {
				return limited
			}
			return err
		}
		if err := g.rateLimit(g.Limits.Users, "user", user.ID); err != nil {
			return err
		}
		request.user = user.ID
		request.header.Set("Authorization", "Bearer "+bearer(r.Header))
	}
	if !g.Guard.Allows(route.Method, route.Path, user.Roles) {
		if route.Access == Anyone {
			return problem.New(problem.Unauthenticated, "unauthenticated", "This is closed to visitors at the moment.")
		}
		return problem.New(problem.Forbidden, "forbidden", "You are signed in, but this is not for you.")
	}
	if route.Apps != nil {
		route.App = c.Param("service")
		if !slices.Contains(route.Apps, route.App) {
			return problem.NewNotFound("service")
		}
		request.route = route
		if route.App == own {
			if err := web.OnlyQuery(c); err != nil {
				return err
			}
			c.JSON(http.StatusOK, page.New(g.Settings(), ""))
			return nil
		}
	}
	var err error
	if request.target, err = fillIn(route.Path, c); err != nil {
		return err
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if route.Stream {
		return g.streamOrder(c, user)
	}
	if route.Shared && g.Shared.KeepFor() > 0 && !g.wantsFresh(r) {
		return g.serveShared(c, request)
	}
	if route.Method != http.MethodGet {
		request.told = g.forget
	}
	key, err := idempotencyKey(route.Key, r.Header)
	if err != nil {
		return err
	}
	if key != "" {
		request.header.Set("Idempotency-Key", key)
	}
	if route.File != nil { // which is in memory until the service has answered
		leave, ok := g.Limits.Files.Enter(request.user)
		if !ok {
			return g.refuseBody(c, "files")
		}
		defer leave()
	}
	if request.body, err = g.readBody(c, client, route.File); err != nil {
		return err
	}
	if route.Cookie != CookieNone {
		if err := g.useCookie(c, &request); err != nil {
			return err
		}
	}
	leave, ok := g.Limits.Admission.Enter()
	if !ok {
		return g.refuseFull()
	}
	request.slot = &slot{leave: leave}
	defer request.slot.giveBack()
	if len(request.body) > 0 {
		request.header.Set("Content-Type", cmp.Or(mediaType(r.Header.Get("Content-Type"), fileTypes(route)),
			"application/json"))
	}
	switch route.Rate {
	case RateSignIn:
		return g.forwardSignIn(c, client, request)
	case RateAddress:
		return g.forwardLimitedByAddress(c, client, request)
	case RatePassword:
		return g.forwardLimitedByPassword(c, request)
	case RateCard:
		return g.forwardPayment(c, client, request)
	}
	return g.Proxy.Forward(c.Writer, r, request)
}

// rateLimit takes a token from the bucket of a client or user (who); name is the label of the metric.
func (g *Gateway) rateLimit(b *limit.Buckets, name, who string) error {
	ok, retry := b.Take(who, time.Now())
	if ok {
		return nil
	}
	g.Metrics.limited.WithLabelValues(name).Inc()
	return errTooManyRequests(retry)
}

// needSettings refuses everything until the policy and the limits are known: the defaults may be laxer than what was
// configured.
func (g *Gateway) needSettings(c *gin.Context) {
	if missing := g.MissingSettings(); len(missing) > 0 {
		g.refuse(c, problem.NewUnavailable(fmt.Errorf("settings are not known: %v", missing), 5*time.Second,
			"The mall is not set up right now."))
		return
	}
	c.Next()
}

// shedLoad refuses a request at once while the gateway is full: waiting would only delay the refusal.
func (g *Gateway) shedLoad(c *gin.Context) {
	if g.Limits.Admission.Full() {
		g.refuse(c, g.refuseFull())
		return
	}
	c.Next()
}

// refuseFull counts a request that is refused because too many are in flight, and returns the error.
func (g *Gateway) refuseFull() error {
	g.Metrics.limited.WithLabelValues("admission").Inc()
	return problem.NewUnavailable(errors.New("too many requests in flight"), time.Second, "The mall is full right now.")
}

// enterStream returns the function that admits one more event stream of a client: only the answer shows that it is one.
func (g *Gateway) enterStream(client string) func() (leave func(), err error) {
	return func() (func(), error) {
		leave, ok := g.Limits.Streams.Enter(client)
		if !ok {
			g.Metrics.limited.WithLabelValues("streams").Inc()
			return nil, errTooManyRequests(5 * time.Second)
		}
		return leave, nil
	}
}

// readBody reads the body. Meanwhile the request does not count as in flight: otherwise a few hundred clients that send
// one byte and wait would use up all places.
func (g *Gateway) readBody(c *gin.Context, client string, file *File) ([]byte, error) {
	if !hasBody(c.Request) {
		return nil, nil
	}
	leave, ok := g.Limits.Bodies.Enter(client)
	if !ok {
		return nil, g.refuseBody(c, "bodies")
	}
	defer leave()
	return readBody(c.Writer, c.Request, file)
}

// refuseBody counts a body that is not read because too many are, and returns the error.
func (g *Gateway) refuseBody(c *gin.Context, what string) error {
	g.Metrics.limited.WithLabelValues(what).Inc()
	c.Header("Connection", "close") // otherwise the server waits for the rest of the body before it answers
	return errTooManyRequests(time.Second)
}

func fileTypes(r Route) []string {
	if r.File == nil {
		return nil
	}
	return r.File.Types
}

// observe measures and logs each request: the route's pattern, never the path with its query, and no header.
func (g *Gateway) observe(c *gin.Context) {
	start := time.Now()
	defer func() {
		took := time.Since(start)
		method, route := web.RouteLabels(c)
		answered := took
		if began := c.GetTime(streamBegan); !began.IsZero() {
			answered = began.Sub(start)
		}
		g.Metrics.observe(method, route, c.Writer.Status(), answered)
		if !unlogged[route] {
			g.log.LogAttrs(c.Request.Context(), slog.LevelInfo, "request", slog.String("method", method),
				slog.String("route", route),
				slog.Int("status", c.Writer.Status()), slog.Float64("ms", float64(took.Microseconds())/1000),
				slog.Int("bytes", c.Writer.Size()))
		}
	}()
	c.Next()
}

// streamBegan is the key of the time at which an event stream began: it may last for minutes, and the metrics are about
// how long a client waits.
const streamBegan = "mall.stream"

func streamBegins(c *gin.Context) { c.Set(streamBegan, time.Now()) }

// unlogged routes are polled every few seconds by supervisors.
var unlogged = map[string]bool{"/healthz": true, "/readyz": true}

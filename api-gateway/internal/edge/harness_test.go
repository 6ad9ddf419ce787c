package edge_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/api-gateway/internal/access"
	"daprmall.dev/api-gateway/internal/edge"
	"daprmall.dev/api-gateway/internal/limit"
	"daprmall.dev/api-gateway/internal/orderstream"
	"daprmall.dev/api-gateway/internal/storefront"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/bulk"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// mall is a gateway with a function in place of its sidecar.
type mall struct {
	t        *testing.T
	front    *httptest.Server
	keys     keys
	log      *strings.Builder
	logMu    *sync.Mutex
	policy   *access.Policy
	speeds   struct{ address, user limit.RateLimit }
	limits   limit.Script
	proxies  []netip.Prefix
	inFlight int64
	keepFor  time.Duration
	admitted *limit.Admission
	counts   *edge.Metrics
	revoked  []authv1.Revocation
	authDown bool
	missing  []string         // settings that are not known
	answer   http.HandlerFunc // the fake sidecar
	origins  string           // whose pages may call
	orders   orderstream.Source
	hub      *orderstream.Hub
	seen     []*http.Request // the requests that it received
	seenMu   sync.Mutex
	bodies   []string
	shared   atomic.Int64 // invocations with several calls
}

type keys struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

func open(t *testing.T, change func(*mall)) *mall {
	t.Helper()
	m := &mall{t: t, log: &strings.Builder{}, logMu: &sync.Mutex{}, inFlight: 100}
	m.keys.public, m.keys.private, _ = ed25519.GenerateKey(nil)
	m.speeds.address, m.speeds.user = limit.RateLimit{PerSecond: 1000, Burst: 1000},
		limit.RateLimit{PerSecond: 1000, Burst: 1000}
	m.limits = func(_ context.Context, _ string, _, out any) error {
		return json.Unmarshal([]byte(`{"allowed":true}`), out)
	}
	m.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	}
	var ds []access.RouteKey
	for _, r := range edge.Routes() {
		ds = append(ds, access.RouteKey{Method: r.Method, Path: r.Path})
	}
	var err error
	if m.policy, err = access.NewPolicy(access.DefaultPolicy, ds); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(m)
	}
	side := httptest.NewServer(http.HandlerFunc(m.invoke))
	t.Cleanup(side.Close)

	log := slog.New(slog.NewJSONHandler(locked{m}, nil))
	metrics := edge.NewMetrics()
	m.counts = metrics
	revoked := access.NewRevocations(func(context.Context, time.Time, string) (authv1.Revocations, error) {
		if m.authDown {
			return authv1.Revocations{}, io.ErrUnexpectedEOF
		}
		return authv1.Revocations{Items: m.revoked, Now: time.Now()}, nil
	}, log)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go revoked.Run(ctx)
	for !m.authDown && revoked.Ready(ctx) != nil {
		time.Sleep(time.Millisecond) //nolint:forbidigo // a poll; the test's own time-out ends it
	}
	verifier := identity.NewVerifier(func(context.Context) (identity.KeySet, error) {
		x := base64.RawURLEncoding.EncodeToString(m.keys.public)
		return identity.KeySet{Keys: []identity.Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: x}}}, nil
	})
	m.admitted = limit.NewAdmission(func() int64 { return m.inFlight })
	fast := func() limit.RateLimit { return limit.RateLimit{PerSecond: 10, Burst: 10} }
	origins, err := edge.ParseOrigins(m.origins)
	if err != nil {
		t.Fatal(err)
	}
	m.hub = orderstream.New(m.orders, func() int64 { return m.inFlight }, log)
	shop, err := storefront.New(fstest.MapFS{
		"index.html":         {Data: []byte("<!doctype html><title>Shop</title>" + strings.Repeat(" ", 2000))},
		"index.html.br":      {Data: []byte("brotli page")},
		"index.html.gz":      {Data: []byte("gzip page")},
		"assets/main-abc.js": {Data: []byte("let shop")},
		"favicon.svg":        {Data: []byte("<svg/>")},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.front = httptest.NewUnstartedServer(edge.Handler(log, edge.Deps{
		Guard: &access.Guard{Verify: verifier.Verify, Revoked: revoked, Policy: func() *access.Policy { return m.policy }},
		Proxy: edge.NewProxy(side.URL, "dapr-token", func(app string) string { return "key of " + app }, metrics.DaprError),
		Limits: edge.Limits{
			Addresses: limit.NewBuckets(func() limit.RateLimit { return m.speeds.address }),
			Users:     limit.NewBuckets(func() limit.RateLimit { return m.speeds.user }),
			SignIn: &limit.SignIn{Script: m.limits, Address: fast, Account: fast, Place: fast, OnError: metrics.LimitBroken,
				Log: log},
			Declined:   limit.NewBuckets(func() limit.RateLimit { return limit.RateLimit{PerSecond: 0.001, Burst: 3} }),
			DeclinedAt: limit.NewBuckets(func() limit.RateLimit { return limit.RateLimit{PerSecond: 0.001, Burst: 5} }),
			Admission:  m.admitted,
			Bodies:     limit.NewShares(func() int64 { return m.inFlight }),
			Files:      limit.NewShares(func() int64 { return 4 }),
			Streams:    limit.NewShares(func() int64 { return m.inFlight }),
			Answers:    limit.NewAnswers(),
		},
		Orders:  m.hub,
		Origins: func() *edge.Origins { return origins },
		Shared:  edge.NewShared(func() time.Duration { return m.keepFor }),
		Metrics: metrics, TrustedProxies: func() []netip.Prefix { return m.proxies },
		MissingSettings: func() []string { return m.missing },
		OpenAPI:         []byte("openapi: 3.1.0\n"), OpenAPIJSON: []byte(`{"openapi":"3.1.0"}`),
		Shop:     shop,
		Pictures: fstest.MapFS{"teapot.svg": {Data: []byte("<svg/>")}, "notes.txt": {Data: []byte("not a picture")}},
		Checks: []web.Check{
			{Name: "revocations", Ask: revoked.Ready},
			{Name: "settings", Ask: func(context.Context) error { return web.MissingSettings(m.missing) }},
		},
	}))
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	m.front.Config.Protocols = protocols
	m.front.Config.MaxHeaderBytes = 32 << 10
	m.front.Listener = edge.Problems(m.front.Config, m.front.Listener)
	m.front.Start()
	t.Cleanup(m.front.Close)
	return m
}

// invoke is the fake sidecar with the app behind it: of calls that share an invocation it answers each.
func (m *mall) invoke(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	root, shared := strings.CutSuffix(r.URL.Path, bulk.Path)
	if !shared {
		m.seenMu.Lock()
		m.seen, m.bodies = append(m.seen, r), append(m.bodies, string(body))
		m.seenMu.Unlock()
		m.answer(w, r)
		return
	}
	m.shared.Add(1)
	calls, err := bulk.Read(r, body)
	if err != nil {
		m.t.Errorf("an invocation with several calls: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, c := range calls {
		c.URL.Path = root + c.URL.Path
	}
	bulk.Handle(http.HandlerFunc(m.invoke), w, calls, func(string, string) bool { return true })
}

// metrics reads the gateway's metrics.
func (m *mall) metrics() string {
	rec := httptest.NewRecorder()
	m.counts.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}

// idle waits until no requests are in flight.
func (m *mall) idle() {
	for m.admitted.InFlight() > 0 {
		time.Sleep(time.Millisecond) //nolint:forbidigo // a poll; the test's own time-out ends it
	}
}

type locked struct{ m *mall }

func (l locked) Write(b []byte) (int, error) {
	l.m.logMu.Lock()
	defer l.m.logMu.Unlock()
	return l.m.log.Write(b)
}

// token signs an access token for user 7.
func (m *mall) token(roles ...string) string {
	return m.sign(jwt.SigningMethodEdDSA, m.keys.private, func(c *identity.Claims) { c.Roles = roles })
}

func (m *mall) sign(method jwt.SigningMethod, key any, change func(*identity.Claims)) string {
	m.t.Helper()
	c := identity.Claims{Roles: []string{"customer"}, Session: "s1", Type: identity.AccessType,
		IssuedMS: time.Now().Add(-time.Minute).UnixMilli(), RegisteredClaims: jwt.RegisteredClaims{
			Issuer: identity.Issuer, Audience: jwt.ClaimStrings{identity.Audience}, Subject: "7",
			IssuedAt:  jwt.NewNumericDate(time.Now().Add(-time.Minute)),
			ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute))}}
	if change != nil {
		change(&c)
	}
	tok := jwt.NewWithClaims(method, c)
	tok.Header["kid"] = "k1"
	s, err := tok.SignedString(key)
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

type reply struct {
	*http.Response
	text string
	doc  problem.Document
}

// do sends a request; headers are "Name: value".
func (m *mall) do(method, path, body string, headers ...string) reply {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), method, m.front.URL+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Content-Type" {
			req.Header.Del(name)
		}
		req.Header[http.CanonicalHeaderKey(name)] = append(req.Header[http.CanonicalHeaderKey(name)], value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	out := reply{Response: res, text: string(text)}
	if res.StatusCode >= 400 {
		if ct := res.Header.Get("Content-Type"); ct != problem.ContentType {
			m.t.Errorf("%s %s: %d with content type %q, want %q", method, path, res.StatusCode, ct, problem.ContentType)
		}
		if err := json.Unmarshal(text, &out.doc); err != nil || out.doc.Status != res.StatusCode ||
			len(out.doc.TraceID) != 32 {
			m.t.Errorf("%s %s: %d with body %s, want a problem document with the same status and a trace_id", method, path,
				res.StatusCode, text)
		}
	}
	return out
}

// signed is do with a customer's access token.
func (m *mall) signed(method, path, body string, headers ...string) reply {
	m.t.Helper()
	return m.do(method, path, body, append(headers, "Authorization: Bearer "+m.token("customer"))...)
}

func (r reply) want(t *testing.T, what string, status int, code string) {
	t.Helper()
	if r.StatusCode != status || r.doc.Code != code {
		t.Errorf("%s: %d %q (%s), want %d %q", what, r.StatusCode, r.doc.Code, r.text, status, code)
	}
}

// get sends a request without the headers of the mall's own requests.
func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// States of a breaker, as in the metric mall_breaker_state.
const (
	breakerClosed   = 0
	breakerHalfOpen = 1
	breakerOpen     = 2
)

// product is down, then half of its answers fail, then it is slow, then it works again. Each fault opens the breakers
// of its callers, in the gateway and in checkout: they then refuse at once, without calling it. After a while a breaker
// is half open: a failing probe opens it again, successful probes close it.
func TestBreakersOpenAndCloseInTheGatewayAndInServices(t *testing.T) {
	s := newShopping(t)
	apps, keys := mallUnderTest(t).first(), secretStore(t)
	gate := apps["api-gateway"]
	side := &apiclient.Client{Base: gate.sidecar(""), HTTP: visitor.HTTP, Token: s.me.Token}
	p := &brokenProduct{routes: map[string]*brokenRoute{}}
	hops := []hop{{"api-gateway", "GET /v1/products", p, func(ctx context.Context) (apiclient.Answer, error) {
		return seller.Do(ctx, http.MethodGet, "/v1/products", nil)
	}}, {"checkout", "POST /internal/products/get", p, func(ctx context.Context) (apiclient.Answer, error) {
		// This call does not pass the gateway, whose own breaker for quotes would open, too.
		return side.Do(ctx, http.MethodPost, "/v1.0/invoke/checkout/method/v1/checkout/quote",
			map[string]any{"items": []apiclient.Line{{ProductID: s.product, Quantity: 1}}},
			"dapr-api-token", gate.DaprToken, "Mall-Caller-Key", keys["api-gateway-peers"]["checkout"])
	}}}
	for _, h := range hops {
		p.routes[h.route] = &brokenRoute{mode: isSlow}
	}
	onEach := func(name string, do func(t *testing.T, h hop)) {
		t.Run(name, func(t *testing.T) {
			for _, h := range hops {
				t.Run(h.caller, func(t *testing.T) {
					t.Parallel()
					do(t, h)
				})
			}
		})
	}
	onEach("works", func(t *testing.T, h hop) {
		t.Helper()
		h.until(t, breakerClosed, 1, works)
	})
	heal := down(t, "product")
	onEach("down", func(t *testing.T, h hop) {
		t.Helper()
		h.until(t, breakerOpen, 25, fails)
		h.refusesAtOnce(t)
	})
	p.serve(t, apps["product"].Ports["app"])
	onEach("back, failing, slow", func(t *testing.T, h hop) {
		t.Helper()
		h.probe(t, http.StatusInternalServerError)
		h.until(t, breakerOpen, 1, fails) // it opens again after one failed probe
		h.probe(t, http.StatusOK)
		h.until(t, breakerClosed, 1, works)
		h.set(failsHalf)
		h.until(t, breakerOpen, 4, func(a apiclient.Answer) string {
			if works(a) == "" {
				return ""
			}
			return fails(a)
		})
		h.refusesAtOnce(t)
		h.probe(t, http.StatusOK)
		h.until(t, breakerClosed, 1, works)
		h.set(isSlow)
		h.until(t, breakerOpen, 25, fails)
		h.refusesAtOnce(t)
	})
	p.stop()
	heal()
	onEach("recovered", func(t *testing.T, h hop) {
		t.Helper()
		h.until(t, breakerClosed, 1, func(apiclient.Answer) string { return "" })
		h.until(t, breakerClosed, 30, works)
	})
	s.finish(t)
}

func works(a apiclient.Answer) string {
	if a.Status == http.StatusOK {
		return ""
	}
	return fmt.Sprintf("%s, want it to work", a)
}

func fails(a apiclient.Answer) string {
	return refusal(a, http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
}

// hop is a route of product as called by one of its callers.
type hop struct {
	caller, route string
	product       *brokenProduct
	ask           func(ctx context.Context) (apiclient.Answer, error)
}

func (h hop) seen() int64 { return h.product.routes[h.route].seen.Load() }

// set changes how the route answers.
func (h hop) set(mode func(r *http.Request, n int64) (status int)) {
	r := h.product.routes[h.route]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode, r.since = mode, r.seen.Load()
}

// metric reads a metric of the caller for this route.
func (h hop) metric(t *testing.T, name string) float64 {
	t.Helper()
	for _, line := range lines(t, h.caller) {
		if value, ok := strings.CutPrefix(line, fmt.Sprintf(`%s{app="product",route=%q} `, name, h.route)); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// state fails unless the caller's breaker for this route is in the given state.
func (h hop) state(t *testing.T, want float64) error {
	t.Helper()
	if now := h.metric(t, "mall_breaker_state"); now != want {
		return fmt.Errorf("the state of the breaker is %v, want %v", now, want)
	}
	return nil
}

// until calls the route, so many times at once, until the breaker is in a state. wrong returns what is wrong with an
// answer meanwhile.
func (h hop) until(t *testing.T, state float64, atOnce int, wrong func(a apiclient.Answer) string) {
	t.Helper()
	err := eventually(t.Context(), waitFor, func() error {
		for _, a := range together(t, atOnce, func(int) (apiclient.Answer, error) { return h.ask(t.Context()) }) {
			if w := wrong(a); w != "" {
				t.Error(w)
			}
		}
		return h.state(t, state)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// refusesAtOnce waits for a call that is refused without product being called.
func (h hop) refusesAtOnce(t *testing.T) {
	t.Helper()
	err := eventually(t.Context(), waitFor, func() error {
		seen, refused := h.seen(), h.metric(t, "mall_breaker_refused_total")
		a, err := h.ask(t.Context())
		if wrong := unavailable(a); err != nil || wrong != "" {
			return errors.Join(errors.New(wrong), err)
		}
		if h.seen() != seen || h.metric(t, "mall_breaker_refused_total") == refused {
			return errors.New("product was called")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// probe waits for the call that an open breaker lets through, checks that the breaker is then half open, and answers
// the call with status. Later calls get the same answer.
func (h hop) probe(t *testing.T, status int) {
	t.Helper()
	answer := make(chan struct{})
	h.set(func(r *http.Request, _ int64) int {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		return status
	})
	before := h.seen()
	probed := make(chan error, 1)
	go func() {
		probed <- eventually(t.Context(), waitFor, func() error {
			if a, err := h.ask(t.Context()); h.seen() == before {
				return errors.Join(fmt.Errorf("no call goes through: %s", a), err)
			}
			return nil
		})
	}()
	err := eventually(t.Context(), waitFor, func() error { return h.state(t, breakerHalfOpen) })
	close(answer)
	if err := errors.Join(err, <-probed); err != nil {
		t.Fatal(err)
	}
}

// brokenProduct replaces product behind product's own sidecar.
type brokenProduct struct {
	srv    *http.Server
	routes map[string]*brokenRoute
}

type brokenRoute struct {
	seen  atomic.Int64
	mu    sync.Mutex
	mode  func(r *http.Request, n int64) (status int) // decides about the nth call since it was set
	since int64
}

// failsHalf fails every other answer. It begins with several failures, so that successful answers just before cannot
// keep the share of failures below a half.
func failsHalf(_ *http.Request, n int64) int {
	if n < 5 || n%2 == 0 {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// isSlow answers only after the caller has given up.
func isSlow(r *http.Request, _ int64) int {
	<-r.Context().Done()
	return http.StatusOK
}

func (p *brokenProduct) serve(t *testing.T, port int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	p.srv = &http.Server{Handler: p, Protocols: &http.Protocols{}} //nolint:gosec // its only client is a sidecar
	p.srv.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = p.srv.Serve(l) }()
	t.Cleanup(p.stop)
}

func (p *brokenProduct) stop() { _ = p.srv.Close() }

func (p *brokenProduct) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.URL.Path == "/healthz" { // otherwise the sidecar would forward no call
		return
	}
	route := p.routes[r.Method+" "+r.URL.Path]
	if route == nil { // events and feeds, which the test does not need
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	route.mu.Lock()
	n, mode := route.seen.Add(1)-route.since, route.mode
	route.mu.Unlock()
	if status := mode(r, n); status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	var in struct{ IDs []string }
	var out any = map[string]any{"items": []any{}, "next_page_token": nil, "total": 0}
	if json.Unmarshal(body, &in) == nil {
		var products []map[string]any
		for _, id := range in.IDs {
			products = append(products, map[string]any{"id": id, "seller_id": "5", "name": "Tea", "price": 700,
				"currency": "CNY", "available": 9})
		}
		out = map[string]any{"products": products}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/runfile"
)

// resiliency is dapr-config/resiliency.yaml.
type resiliency struct {
	Spec struct {
		Policies struct {
			Timeouts map[string]time.Duration
			Retries  map[string]struct {
				MaxRetries int `yaml:"maxRetries"`
			}
			CircuitBreakers map[string]breaker `yaml:"circuitBreakers"`
		}
		Targets struct {
			Apps       map[string]cell
			Components map[string]struct{ Inbound, Outbound cell }
		}
	}
}

// patience is how long callers wait for each app, as docs/runbook.md documents: a checkout needs time for three calls,
// a payment for its provider, and user for queued password hashes.
var patience = map[string]time.Duration{"auth": 5 * time.Second, "user": 10 * time.Second, "product": 5 * time.Second,
	"cart": 5 * time.Second, "checkout": 15 * time.Second, "order": 5 * time.Second, "payment": 20 * time.Second}

type cell struct {
	Timeout, Retry string
	CircuitBreaker string `yaml:"circuitBreaker"`
}

type breaker struct {
	Timeout     time.Duration
	MaxRequests int `yaml:"maxRequests"`
	Trip        string
}

func readResiliency(t *testing.T) resiliency {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root(), "dapr-config", "resiliency.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var r resiliency
	if err := yaml.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// timeout returns a timeout of resiliency.yaml by its name.
func (r resiliency) timeout(t *testing.T, policy string) time.Duration {
	t.Helper()
	d := r.Spec.Policies.Timeouts[policy]
	if d == 0 {
		t.Errorf("resiliency.yaml has no timeout %q", policy)
	}
	return d
}

// resiliency.yaml has rules for every app and every component that sidecars call, and they follow the reasons given in
// its comments.
func TestEveryTargetHasResiliencyRules(t *testing.T) {
	rules := readResiliency(t)
	apps, err := runfile.Read(filepath.Join(root(), "dapr.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	components, err := filepath.Glob(filepath.Join(root(), "components", "*", "*.yaml"))
	if err != nil || len(components) == 0 {
		t.Fatalf("no components: %v", err)
	}
	cells := map[string]cell{}
	for _, a := range apps {
		if a.ID != "api-gateway" { // no service calls it
			cells[a.ID] = rules.Spec.Targets.Apps[a.ID]
		}
	}
	for _, file := range components {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if name == "subscriptions" || name == "events-in" { // no app calls them
			continue
		}
		target := rules.Spec.Targets.Components[name]
		cells[name] = target.Outbound
		if target.Inbound != (cell{}) {
			t.Errorf("%s has inbound rules, but handlers park failed events", name)
		}
	}
	if n := len(rules.Spec.Targets.Apps) + len(rules.Spec.Targets.Components); n != len(cells) {
		t.Errorf("%d targets have rules, %d exist: %v", n, len(cells), slices.Sorted(maps.Keys(cells)))
	}
	for name, c := range cells {
		retry, known := rules.Spec.Policies.Retries[c.Retry]
		if !known || retry.MaxRetries != 0 {
			t.Errorf("%s: retry %q: a sidecar cannot know which requests may be repeated", name, c.Retry)
		}
		if (c.CircuitBreaker != "") != (name == "redis-lua") {
			t.Errorf("%s: circuit breaker %q: only the gate's refusals do not count as failures", name, c.CircuitBreaker)
		}
		if _, app := rules.Spec.Targets.Apps[name]; app && c.Timeout != "" {
			t.Errorf("%s: timeout %q: with a timeout, a sidecar can crash when an answer is cut off", name, c.Timeout)
		} else if !app && rules.Spec.Policies.Timeouts[c.Timeout] <= 0 {
			t.Errorf("%s: timeout %q", name, c.Timeout)
		}
	}
	oneTimeout := patience["order"]
	for what, wrong := range map[string]bool{
		"the timeout of the gate must be below that of a service": rules.timeout(t,
			cells["redis-lua"].Timeout) >= oneTimeout,
		"the timeout of the carts must be below that of a service": rules.timeout(t, cells["carts"].Timeout) >= oneTimeout,
	} {
		if wrong {
			t.Error(what)
		}
	}
}

// tookOnce reports whether something took one timeout, not two.
func tookOnce(took, timeout time.Duration) bool {
	return took > timeout*9/10 && took < timeout*3/2
}

// Every service hangs. Its callers give up after their timeout and send nothing again; soon requests are refused at
// once. When the services continue, each request in progress has taken effect once or not at all, and repeating it with
// its key shows which. Meanwhile the gateway disconnects clients that send one byte and stop.
func TestRequestsToHangingServicesTakeEffectOnce(t *testing.T) {
	s := newShopping(t)
	cutOff := slowClients(t, s.me)
	me, ctx := s.me, t.Context()
	regretted := order(t, me.Client, s.address, s.product, 1)
	email, name, key := newEmail(), "Hanging tea "+apiclient.Key(), apiclient.Key()
	request := s.requests()
	before := len(allOrders(t, me.Client))
	hung := map[string]struct {
		ask   func(ctx context.Context) (apiclient.Answer, error)
		times func() (int64, error) // how often it took effect
	}{
		"auth": {request["sign in"], func() (int64, error) { return 1, nil }},
		"user": {func(ctx context.Context) (apiclient.Answer, error) {
			return visitor.Do(ctx, http.MethodPost, "/v1/users",
				map[string]string{"email": email, "password": apiclient.Password})
		}, func() (int64, error) {
			var list struct{ Items []apiclient.User }
			err := admin.Want(ctx, http.StatusOK, http.MethodGet, "/v1/admin/users?email="+email, nil, &list)
			return int64(len(list.Items)), err
		}},
		"product": {func(ctx context.Context) (apiclient.Answer, error) {
			return seller.Do(ctx, http.MethodPost, "/v1/products",
				map[string]any{"name": name, "description": "d", "price": 100, "stock": 3}, "Idempotency-Key", key)
		}, func() (int64, error) {
			return number(ctx, database(t, "product"), "SELECT count(*) FROM products WHERE name = $1", name)
		}},
		"cart": {request["add to cart"], func() (int64, error) {
			var c apiclient.Cart
			err := me.Want(ctx, http.StatusOK, http.MethodGet, "/v1/cart", nil, &c)
			return c.Items[0].Quantity - 1, err
		}},
		"checkout": {request["check out"], func() (int64, error) {
			return int64(len(allOrders(t, me.Client)) - before),
				nil
		}},
		"order": {func(ctx context.Context) (apiclient.Answer, error) {
			return me.Do(ctx, http.MethodPost, "/v1/orders/"+regretted.ID+"/cancel", nil, "Idempotency-Key", key)
		}, func() (int64, error) {
			return number(ctx, database(t, "order"),
				"SELECT count(*) FROM order_history WHERE order_id = $1 AND status = 'cancelled'", regretted.ID)
		}},
		"payment": {request["pay"], func() (int64, error) {
			return number(ctx, database(t, "payment"), "SELECT count(*) FROM payments WHERE order_id = $1", s.unpaid)
		}},
	}
	heal := hang(t, slices.Collect(maps.Keys(hung))...)
	type speed int
	const (
		slowly   speed = iota // after its timeout, once
		inTime                // after its timeout or before
		promptly              // well before its timeout
	)
	refused := func(app string, how speed) {
		timeout := patience[app]
		began := time.Now()
		a, err := hung[app].ask(ctx)
		took := time.Since(began)
		if err != nil || unavailable(a) != "" || how == slowly && a.Code() != "timeout" {
			t.Errorf("%s hangs: %s, %v, want the code timeout", app, a, err)
		}
		if how == slowly && !tookOnce(took, timeout) || how == inTime && took > timeout*3/2 {
			t.Errorf("%s hangs: refused after %s, want its timeout of %s, once", app, took, timeout)
		}
		if how == promptly && took > timeout/2 {
			t.Errorf("%s has hung for some time: refused after %s, want at once", app, took)
		}
	}
	var wg, first sync.WaitGroup
	first.Add(1)
	for app := range hung {
		wg.Go(func() {
			if app == "product" {
				defer first.Done()
			}
			refused(app, slowly)
		})
	}
	first.Wait()
	noticed := promptly // by the sidecars, if they check the health of their apps
	if !broker.Chosen().ChecksHealth() {
		noticed = inTime
	}
	for app := range hung {
		wg.Go(func() {
			var crowd sync.WaitGroup
			for range 25 { // more than a breaker needs to open
				crowd.Go(func() { refused(app, noticed) })
			}
			crowd.Wait()
			refused(app, promptly)
		})
	}
	wg.Wait()
	open := func(app string) bool { // whether a breaker of the gateway for one of the app's routes is open or half open
		return slices.ContainsFunc(lines(t, "api-gateway"), func(line string) bool {
			return strings.HasPrefix(line, `mall_breaker_state{app="`+app+`",`) && !strings.HasSuffix(line, " 0")
		})
	}
	for app := range hung {
		if !open(app) {
			t.Errorf("%s: after many failures no breaker is open: %q", app, slices.DeleteFunc(lines(t, "api-gateway"),
				func(line string) bool { return !strings.HasPrefix(line, "mall_breaker_") }))
		}
	}
	heal()
	cutOff()
	for app, h := range hung {
		if a, err := untilAnswered(ctx, h.ask); err != nil || a.Status >= 300 && a.Code() != "email_taken" {
			t.Errorf("%s goes on: %s, %v", app, a, err)
		}
		if n, err := h.times(); err != nil || n != 1 {
			t.Errorf("%s: the request took effect %d times, %v, want once", app, n, err)
		}
	}
	s.finishAll(t, before+1)
	for app := range hung {
		err := eventually(ctx, waitFor, func() error {
			_, err := hung[app].ask(ctx)
			if err == nil && open(app) {
				err = errors.New("its breaker is open")
			}
			return err
		})
		if err != nil {
			t.Errorf("%s works again: %v", app, err)
		}
	}
	auditPatiently(t)
}

// A service that checkout calls hangs: the checkout waits no longer than for one call, and its hold becomes one order.
func TestACheckoutDuringWhichOrderHangs(t *testing.T) {
	oneTimeout := patience["order"]
	s := newShopping(t)
	heal := hang(t, "order")
	began := time.Now()
	a, err := s.requests()["check out"](t.Context())
	took := time.Since(began)
	heal()
	if err != nil || unavailable(a) != "" {
		t.Errorf("checkout: %s, %v, want a refusal with Retry-After", a, err)
	}
	if !tookOnce(took, oneTimeout) {
		t.Errorf("checkout took %s, want one timeout of %s", took, oneTimeout)
	}
	s.finish(t)
}

// componentCall is a call of a component through the sidecar of an app.
type componentCall struct {
	app, method, path string
	body              any
}

// Redis, the redislua component and the broker hang. Calls that need them are refused after the component's timeout;
// all others work. The gate's breaker opens, so that calls do not queue, and closes when Redis is back.
func TestHangingComponentsAffectOnlyTheirUsers(t *testing.T) {
	rules := readResiliency(t)
	apps := mallUnderTest(t).first()
	s := newShopping(t)
	lua := componentCall{"product", http.MethodPost, "/v1.0/bindings/redis-lua",
		map[string]any{"operation": "run_id", "data": map[string]any{}}}
	run := func(e componentCall) (apiclient.Answer, time.Duration) {
		began := time.Now()
		side := apiclient.Client{Base: apps[e.app].sidecar(""), HTTP: visitor.HTTP}
		a, err := side.Do(t.Context(), e.method, e.path, e.body, "dapr-api-token", apps[e.app].DaprToken)
		if err != nil {
			t.Errorf("sidecar of %s: %v", e.app, err)
		}
		return a, time.Since(began)
	}
	hung := []string{"redis", "product-redislua"}
	if carrier != broker.Redis {
		hung = append(hung, string(carrier))
	}
	heal := hang(t, hung...)
	var wg sync.WaitGroup
	for component, e := range map[string]componentCall{
		"carts":        {"cart", http.MethodGet, "/v1.0/state/carts/nobody", nil},
		"config-order": {"order", http.MethodGet, "/v1.0/configuration/config-order?key=order.payment_timeout", nil},
		// The broker may accept the event in the end, but no service handles its type.
		"events":    {"order", http.MethodPost, "/v1.0/publish/events/mall-orders", map[string]any{}},
		"redis-lua": lua,
	} {
		wg.Go(func() {
			timeout := rules.timeout(t, rules.Spec.Targets.Components[component].Outbound.Timeout)
			if a, took := run(e); a.Status < 400 || !tookOnce(took, timeout) {
				t.Errorf("%s: %s after %s, want a failure after its timeout of %s", component, a, took, timeout)
			}
		})
	}
	var took map[string]time.Duration
	wg.Go(func() {
		took = s.all(t, "Redis hangs", "search", "look", "sign in", "profile", "addresses", "quote", "orders", "pay")
	})
	wg.Wait()
	for request, d := range took {
		if most := rules.timeout(t, "quick"); d > 2*most {
			t.Errorf("Redis hangs: %s took %s, want at most two timeouts of %s", request, d, most)
		}
	}
	// The breaker stays open no longer than one of these calls waits. So on a busy machine it may be half open again when
	// the last call returns, and the next call is its probe.
	err := eventually(t.Context(), waitFor, func() error {
		for range 40 { // more than the breaker needs to open
			wg.Go(func() { run(lua) })
		}
		wg.Wait()
		if a, took := run(lua); a.Status < 400 || !strings.Contains(string(a.Body), "circuit breaker is open") ||
			took > rules.timeout(t, "quick")/4 {
			return fmt.Errorf("%s after %s", a, took)
		}
		return nil
	})
	if err != nil {
		t.Errorf("after many failures: %v, want a refusal at once by the open breaker", err)
	}
	heal()
	err = eventually(t.Context(), waitFor, func() error {
		return seller.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/products/"+s.product+"/stock",
			map[string]any{"delta": -1, "reason": "loss"}, nil, "Idempotency-Key", s.buy)
	})
	if err != nil {
		t.Errorf("the breaker stays open: %v", err)
	}
	s.finish(t)
}

// PostgreSQL hangs: no request waits longer than the timeout of a service, and requests in progress take effect once.
func TestRequestsWhilePostgresHangsTakeEffectOnce(t *testing.T) {
	oneTimeout := patience["order"]
	s := newShopping(t)
	request := s.requests()
	heal := hang(t, "postgres")
	var wg sync.WaitGroup
	for _, name := range []string{"search", "look", "sign in", "see cart", "add to cart", "orders"} {
		wg.Go(func() {
			began := time.Now()
			a, err := request[name](t.Context())
			if wrong := unavailable(a); err != nil || wrong != "" {
				t.Errorf("%s: %s, %v", name, wrong, err)
			}
			if took := time.Since(began); took > oneTimeout*3/2 {
				t.Errorf("%s took %s, longer than a service's timeout of %s", name, took, oneTimeout)
			}
		})
	}
	for _, name := range []string{"check out", "pay"} { // they may take longer, so these shoppers disconnect
		wg.Go(func() {
			ctx, hangUp := context.WithTimeout(t.Context(), oneTimeout)
			defer hangUp()
			if a, err := request[name](ctx); err == nil && unavailable(a) != "" {
				t.Errorf("%s: %s", name, a)
			}
		})
	}
	wg.Wait()
	heal()
	s.finish(t)
	auditPatiently(t)
}

// slowClients begin requests and do not finish them. Other clients are still served; cutOff checks that the gateway has
// disconnected the slow ones.
func slowClients(t *testing.T, me member) (cutOff func()) {
	t.Helper()
	gatewayAddress := strings.TrimPrefix(visitor.Base, "http://")
	conns := make([]net.Conn, 200) // more than any connection pool behind the gateway
	for i := range conns {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", gatewayAddress)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, err = fmt.Fprintf(c,
			"POST /v1/addresses HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: "+
				"application/json\r\nContent-Length: 1000\r\n\r\n{", gatewayAddress, me.Token)
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	for range 20 {
		if a := do(t, me.Client, http.MethodGet, "/v1/addresses", nil); a.Status != http.StatusOK {
			t.Errorf("with %d slow clients: %s", len(conns), a)
		}
	}
	return func() {
		t.Helper()
		for _, c := range conns {
			if err := c.SetReadDeadline(time.Now().Add(waitFor)); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
					t.Fatalf("a slow client is still connected: %v", err)
				}
				continue // disconnected without an answer
			}
			_ = res.Body.Close()
			if res.StatusCode < 400 || res.StatusCode > 499 {
				t.Errorf("a slow client is answered %d, want a refusal", res.StatusCode)
			}
		}
	}
}

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// parent returns the parent of a process.
func parent(pid int) (int, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// the name before it may contain any character
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	return strconv.Atoi(fields[1])
}

// withChildren returns the pids of a process of the mall and of its children, its own first.
func withChildren(t *testing.T, name string) []int {
	t.Helper()
	pids := []int{status(t)[name].PID}
	if pids[0] == 0 {
		t.Fatalf("%s does not run", name)
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if of, err := parent(pid); err == nil && of == pids[0] {
			pids = append(pids, pid)
		}
	}
	return pids
}

func signal(t *testing.T, s syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatalf("signal %v to %d: %v", s, pid, err)
		}
	}
}

// onceReady returns a function that ends a fault and waits until the mall is ready again. The fault ends at the latest
// with the test.
func onceReady(t *testing.T, end func()) (heal func()) {
	t.Helper()
	end = sync.OnceFunc(end)
	t.Cleanup(end)
	return func() {
		t.Helper()
		end()
		if err := eventually(t.Context(), waitFor, func() error { return ready(t) }); err != nil {
			t.Fatal(err)
		}
	}
}

// hang stops processes: they keep their connections and answer nothing, as on a machine out of memory. heal lets them
// go on.
func hang(t *testing.T, names ...string) (heal func()) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	var pids []int
	for _, name := range names {
		pids = append(pids, withChildren(t, name)...)
	}
	signal(t, syscall.SIGSTOP, pids...)
	return onceReady(t, func() { signal(t, syscall.SIGCONT, pids...) })
}

// down kills processes that are not started again before heal: the runner is stopped meanwhile.
func down(t *testing.T, names ...string) (heal func()) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	var pids []int
	for _, name := range names {
		pids = append(pids, withChildren(t, name)...) // PostgreSQL's children would still answer for a moment
	}
	runner, err := parent(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	signal(t, syscall.SIGSTOP, runner)
	heal = onceReady(t, func() { signal(t, syscall.SIGCONT, runner) })
	signal(t, syscall.SIGKILL, pids...)
	return heal
}

// shopping is a member with one of everything, and the requests that a shopper makes.
type shopping struct {
	me       member
	address  string
	product  string
	unpaid   string
	buy, pay string // keys of the checkout and the payment that are repeated until they succeed
}

// newShopping makes a shopper with an unpaid order and a filled cart.
func newShopping(t *testing.T) shopping {
	t.Helper()
	me := newMember(t)
	addressID, err := me.Address(t.Context(), "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	p := product(t, "Untroubled tea", 700, 100_000)
	s := shopping{me: me, address: addressID, product: p.ID, unpaid: order(t, me.Client, addressID, p.ID, 1).ID,
		buy: apiclient.Key(), pay: apiclient.Key()}
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items",
		apiclient.Line{ProductID: p.ID, Quantity: 1}, nil); err != nil {
		t.Fatal(err)
	}
	waitAvailable(t, p.ID, 99_999)
	err = eventually(t.Context(), waitFor, func() error { // its bill is open
		n, err := number(t.Context(), database(t, "payment"), "SELECT count(*) FROM bills WHERE order_id = $1", s.unpaid)
		if err == nil && n == 0 {
			err = errors.New("no bill yet")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// requests returns the requests that a shopper makes, by name.
func (s shopping) requests() map[string]func(ctx context.Context) (apiclient.Answer, error) {
	line := apiclient.Line{ProductID: s.product, Quantity: 1}
	as := func(who *apiclient.Client, method, path string, body any,
		headers ...string) func(context.Context) (apiclient.Answer, error) {
		return func(ctx context.Context) (apiclient.Answer, error) {
			return who.Do(ctx, method, path, body, headers...)
		}
	}
	return map[string]func(ctx context.Context) (apiclient.Answer, error){
		// As a seller, whom no gateway answers from what it has kept.
		"search": as(seller, http.MethodGet, "/v1/products?q=untroubled", nil),
		"look":   as(seller, http.MethodGet, "/v1/products/"+s.product, nil),
		"sign in": as(visitor, http.MethodPost, "/v1/sessions",
			map[string]string{"email": s.me.email, "password": apiclient.Password}),
		"profile":     as(s.me.Client, http.MethodGet, "/v1/me", nil),
		"see cart":    as(s.me.Client, http.MethodGet, "/v1/cart", nil),
		"add to cart": as(s.me.Client, http.MethodPost, "/v1/cart/items", line, "Idempotency-Key", apiclient.Key()),
		"addresses":   as(s.me.Client, http.MethodGet, "/v1/addresses", nil),
		"quote": as(s.me.Client, http.MethodPost, "/v1/checkout/quote",
			map[string]any{"items": []apiclient.Line{line}}),
		"check out": func(ctx context.Context) (apiclient.Answer, error) { return s.me.Buy(ctx, s.buy, s.address, line) },
		"orders":    as(s.me.Client, http.MethodGet, "/v1/orders", nil),
		"pay": func(ctx context.Context) (apiclient.Answer, error) {
			return s.me.Pay(ctx, s.pay, s.unpaid, apiclient.CardGood)
		},
	}
}

// all makes all requests at once. Those in works must succeed, all others must be refused with Retry-After. It returns
// how long each took.
func (s shopping) all(t *testing.T, during string, works ...string) map[string]time.Duration {
	t.Helper()
	took := map[string]time.Duration{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, ask := range s.requests() {
		wg.Go(func() {
			began := time.Now()
			a, err := ask(t.Context())
			mu.Lock()
			defer mu.Unlock()
			took[name] = time.Since(began)
			switch {
			case err != nil:
				t.Errorf("%s: %s: %v", during, name, err)
			case slices.Contains(works, name):
				if a.Status >= 300 {
					t.Errorf("%s: %s: %s, want it to work", during, name, a)
				}
			default:
				if wrong := unavailable(a); wrong != "" {
					t.Errorf("%s: %s: %s", during, name, wrong)
				}
			}
		})
	}
	wg.Wait()
	return took
}

// unavailable returns what is wrong with an answer that should be a 503 or 504 with Retry-After, "" if nothing is.
func unavailable(a apiclient.Answer) string {
	if wrong := refusal(a, http.StatusServiceUnavailable, http.StatusGatewayTimeout); wrong != "" {
		return wrong
	}
	if a.Header.Get("Retry-After") == "" {
		return fmt.Sprintf("%s has no Retry-After", a)
	}
	return ""
}

// finish repeats the refused checkout and payment with the same keys: each must happen once.
func (s shopping) finish(t *testing.T) {
	t.Helper()
	s.finishAll(t, 2)
}

func (s shopping) finishAll(t *testing.T, orders int) {
	t.Helper()
	ask := s.requests()
	for name := range ask {
		a, err := untilAnswered(t.Context(), ask[name])
		if err != nil || a.Status >= 300 {
			t.Errorf("afterwards: %s: %s, %v", name, a, err)
		}
	}
	if ids := allOrders(t, s.me.Client); len(ids) != orders {
		t.Errorf("orders %v, want the earlier ones and one of the repeated request", ids)
	}
	if n, err := number(t.Context(), database(t, "payment"), "SELECT count(*) FROM payments WHERE order_id = $1",
		s.unpaid); err != nil || n != 1 {
		t.Errorf("%d payments, %v, want one", n, err)
	}
}

// except returns the names of all requests but some.
func except(s shopping, names ...string) (rest []string) {
	for name := range s.requests() {
		if !slices.Contains(names, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

// When parts of the mall are down, the rest works, and everything else is refused at once: sooner than a caller's
// shortest timeout.
func TestTheMallWorksWhenPartsOfItAreDown(t *testing.T) {
	for names, lost := range map[string][]string{
		"user cart payment":   {"sign in", "profile", "see cart", "add to cart", "pay"},
		"auth checkout order": {"sign in", "addresses", "quote", "check out", "orders"},
		"product":             {"search", "look", "see cart", "add to cart", "quote", "check out"},
		"redis":               {"see cart", "add to cart", "check out"},
		"postgres": {"search", "look", "sign in", "profile", "see cart", "add to cart", "addresses", "quote",
			"check out", "orders", "pay"},
	} {
		t.Run(names, func(t *testing.T) {
			s := newShopping(t)
			heal := down(t, strings.Fields(names)...)
			took := s.all(t, names+" down", except(s, lost...)...)
			heal()
			for request, d := range took {
				if d > patience["order"] {
					t.Errorf("%s down: %s took %s, longer than the timeout of a service", names, request, d)
				}
			}
			s.finish(t)
		})
	}
	auditPatiently(t)
}

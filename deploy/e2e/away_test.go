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
	// the name before it may hold anything
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	return strconv.Atoi(fields[1])
}

// family is a process of the mall with its children, itself first.
func family(t *testing.T, name string) []int {
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

// onceReady ends a fault, at the latest with the test, and waits until the mall is whole again.
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

// hang makes processes keep their connections and answer nothing, as a machine does that is out of memory, until heal.
func hang(t *testing.T, names ...string) (heal func()) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	var pids []int
	for _, name := range names {
		pids = append(pids, family(t, name)...)
	}
	signal(t, syscall.SIGSTOP, pids...)
	return onceReady(t, func() { signal(t, syscall.SIGCONT, pids...) })
}

// down kills processes that nobody starts again before heal: the runner itself is stopped meanwhile.
func down(t *testing.T, names ...string) (heal func()) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	var pids []int
	for _, name := range names {
		pids = append(pids, family(t, name)...) // PostgreSQL's children would answer for a moment
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

// shopping is somebody with one of everything, who wants all that a shopper can want.
type shopping struct {
	me       member
	address  string
	product  string
	unpaid   string
	buy, pay string // the keys of wishes that are asked for until they come true
}

// newShopping makes a shopper whose order awaits payment and whose cart is not empty.
func newShopping(t *testing.T) shopping {
	t.Helper()
	me := newMember(t)
	place, err := me.Address(t.Context(), "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	p := product(t, "Untroubled tea", 700, 100_000)
	s := shopping{me: me, address: place, product: p.ID, unpaid: order(t, me.Client, place, p.ID, 1).ID,
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

// wishes are what a shopper may want, by name.
func (s shopping) wishes() map[string]func(ctx context.Context) (apiclient.Answer, error) {
	line := apiclient.Line{ProductID: s.product, Quantity: 1}
	as := func(who *apiclient.Client, method, path string, body any,
		headers ...string) func(context.Context) (apiclient.Answer, error) {
		return func(ctx context.Context) (apiclient.Answer, error) {
			return who.Do(ctx, method, path, body, headers...)
		}
	}
	return map[string]func(ctx context.Context) (apiclient.Answer, error){
		"search": as(visitor, http.MethodGet, "/v1/products?q=untroubled", nil),
		"look":   as(visitor, http.MethodGet, "/v1/products/"+s.product, nil),
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

// all at once: what still works is answered well, everything else is refused with advice when to come again. It gives
// the time each took.
func (s shopping) all(t *testing.T, during string, works ...string) map[string]time.Duration {
	t.Helper()
	took := map[string]time.Duration{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, ask := range s.wishes() {
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

// unavailable says what is wrong with an answer that should be "not now, come again", "" if nothing.
func unavailable(a apiclient.Answer) string {
	if wrong := refusal(a, http.StatusServiceUnavailable, http.StatusGatewayTimeout); wrong != "" {
		return wrong
	}
	if a.Header.Get("Retry-After") == "" {
		return fmt.Sprintf("%s does not say when to come again", a)
	}
	return ""
}

// comeTrue asks again, with the same keys, for the checkout and the payment that were refused: each happens once.
func (s shopping) comeTrue(t *testing.T) {
	t.Helper()
	s.comeTrueOf(t, 2)
}

func (s shopping) comeTrueOf(t *testing.T, orders int) {
	t.Helper()
	ask := s.wishes()
	for name := range ask {
		a, err := insist(t.Context(), ask[name])
		if err != nil || a.Status >= 300 {
			t.Errorf("afterwards: %s: %s, %v", name, a, err)
		}
	}
	if ids := allOrders(t, s.me.Client); len(ids) != orders {
		t.Errorf("orders %v, want those from before and one that was asked for again and again", ids)
	}
	if n, err := number(t.Context(), database(t, "payment"), "SELECT count(*) FROM payments WHERE order_id = $1",
		s.unpaid); err != nil || n != 1 {
		t.Errorf("%d payments, %v, want one", n, err)
	}
}

// except returns all wishes but some.
func except(s shopping, names ...string) (rest []string) {
	for name := range s.wishes() {
		if !slices.Contains(names, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

// Whatever is down, the rest of the mall works, and what cannot be had is refused at once: sooner than a sidecar's
// shortest patience.
func TestWhatWorksWithoutWhat(t *testing.T) {
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
			for wish, d := range took {
				if d > patience["order"] {
					t.Errorf("%s down: %s took %s, longer than a peer that hangs", names, wish, d)
				}
			}
			s.comeTrue(t)
		})
	}
	balanced(t)
}

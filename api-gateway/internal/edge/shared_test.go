package edge_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shop is a fake product service whose answers are numbered.
type shop struct {
	*mall
	asked atomic.Int64
	down  atomic.Bool
	next  atomic.Value // the answer to the next write
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{}
	s.mall = open(t, func(m *mall) {
		m.keepFor = 5 * time.Second // longer than the test
		m.answer = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.Method != http.MethodGet {
				w.WriteHeader(http.StatusOK)
				_, _ = io.WriteString(w, s.next.Load().(string))
				return
			}
			n := s.asked.Add(1)
			switch {
			case s.down.Load():
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"status":503,"code":"unavailable","trace_id":"00000000000000000000000000000000"}`)
			case strings.HasSuffix(r.URL.Path, "/404"):
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, `{"status":404,"code":"not_found","trace_id":"00000000000000000000000000000000"}`)
			default:
				if strings.HasSuffix(r.URL.Path, "/products/1") {
					w.Header().Set("ETag", `"3"`)
				}
				_, _ = fmt.Fprintf(w, `{"n":%d,"text":%q}`, n, strings.Repeat("tea ", 500))
			}
		}
	})
	s.next.Store(`{}`)
	return s
}

// number asks for a page and returns the number of its answer.
func (s *shop) number(path string, headers ...string) (n int64) {
	s.t.Helper()
	a := s.do("GET", path, "", headers...)
	if _, err := fmt.Sscanf(a.text, `{"n":%d`, &n); err != nil || a.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d %.60s", path, a.StatusCode, a.text)
	}
	return n
}

func TestAnswersForEverybodyAreShared(t *testing.T) {
	s := openShop(t)
	var crowd sync.WaitGroup
	for range 20 {
		crowd.Go(func() {
			if n := s.number("/v1/products/1"); n != 1 {
				t.Errorf("answer %d", n)
			}
		})
	}
	crowd.Wait()
	if n := s.number("/v1/products/1", "Authorization: Bearer "+s.token("customer")); n != 1 {
		t.Errorf("a shopper got answer %d", n)
	}
	for _, other := range []string{"/v1/products/2", "/v1/products", "/v1/products?q=tea", "/v1/products?q=te"} {
		if first, again := s.number(other), s.number(other); first != again || first == 1 {
			t.Errorf("%s: answers %d and %d", other, first, again)
		}
	}
	before := s.asked.Load()
	for range 2 {
		s.do("GET", "/v1/products/404", "").want(t, "a missing product", 404, "not_found")
	}
	if n := s.asked.Load() - before; n != 2 {
		t.Errorf("a missing product was asked for %d times, want 2: it may exist now", n)
	}
	if !strings.Contains(s.metrics(), `mall_gateway_shared_answers_total{from="kept"}`) {
		t.Error("the metric is missing")
	}
}

// What belongs to one user is not shared.
func TestPrivateAnswersAreNotShared(t *testing.T) {
	s := openShop(t)
	for _, path := range []string{"/v1/cart", "/v1/orders", "/v1/me"} {
		token := "Authorization: Bearer " + s.token("customer")
		if a, b := s.number(path, token), s.number(path, token); a == b {
			t.Errorf("%s: answer %d twice", path, a)
		}
	}
}

// A client that has an answer already is told so, also for a list, in any coding.
func TestSharedAnswersAreRevalidated(t *testing.T) {
	s := openShop(t)
	for path, control := range map[string]string{"/v1/products/1": "no-store", "/v1/products": "no-cache"} {
		for _, coding := range []string{"identity", "br"} {
			a := s.do("GET", path, "", "Accept-Encoding: "+coding)
			tag := a.Header.Get("ETag")
			if tag == "" || a.Header.Get("Cache-Control") != control {
				t.Errorf("%s: %v", path, a.Header)
			}
			again := s.do("GET", path, "", "Accept-Encoding: "+coding, "If-None-Match: "+tag)
			if again.StatusCode != http.StatusNotModified || again.text != "" || again.Header.Get("ETag") != tag {
				t.Errorf("%s in %s: %d %v", path, coding, again.StatusCode, again.Header)
			}
			if other := s.do("GET", path, "", "If-None-Match: \"x\""); other.StatusCode != http.StatusOK {
				t.Errorf("%s with another tag: %d", path, other.StatusCode)
			}
		}
	}
	if n := s.asked.Load(); n != 2 {
		t.Errorf("%d questions", n)
	}
}

// Whoever writes sees it at once.
func TestAWriteIsSeenAtOnce(t *testing.T) {
	const seller, admin, shopper = "seller", "admin", "customer"
	for name, c := range map[string]struct {
		method, path, body, as, answer string
		page, other, list              bool // whether /v1/products/1, another page and the list are asked for again
	}{
		"change":   {"PATCH", "/v1/products/1", `{}`, seller, `{"id":"1"}`, true, false, true},
		"remove":   {"DELETE", "/v1/products/1", "", seller, `{}`, true, false, true},
		"stock":    {"POST", "/v1/products/1/stock", `{}`, seller, `{"on_hand":3}`, true, false, true},
		"import":   {"POST", "/v1/products/import", "SKU,Name\n", seller, `{"id":"8"}`, true, true, true},
		"create":   {"POST", "/v1/products", `{}`, seller, `{"id":"9"}`, false, false, true},
		"checkout": {"POST", "/v1/checkout", `{}`, shopper, `{"id":"5","lines":[{"product_id":"1"}]}`, true, false, false},
		"cancel": {"POST", "/v1/orders/5/cancel", ``, shopper, `{"id":"5","lines":[{"product_id":"1"}]}`, true, false,
			false},
		"ban":  {"PUT", "/v1/admin/users/4/ban", `{}`, admin, `{}`, true, true, true},
		"cart": {"POST", "/v1/cart/items", `{}`, shopper, `{"items":[]}`, false, false, false},
	} {
		s := openShop(t) // what one write drops a moment later is not to disturb the others
		s.next.Store(c.answer)
		paths := []string{"/v1/products/1", "/v1/products/2", "/v1/products"}
		var before []int64
		for _, p := range paths {
			before = append(before, s.number(p))
		}
		headers := []string{"Authorization: Bearer " + s.token(c.as), "If-Match: \"3\"", "Idempotency-Key: " + name}
		if name == "import" {
			headers = append(headers, "Content-Type: text/csv")
		}
		if a := s.do(c.method, c.path, c.body, headers...); a.StatusCode != 200 {
			t.Fatalf("%s: %d %s", name, a.StatusCode, a.text)
		}
		for i, again := range []bool{c.page, c.other, c.list} {
			if n := s.number(paths[i]); (n != before[i]) != again {
				t.Errorf("%s: %s is answer %d after answer %d", name, paths[i], n, before[i])
			}
		}
	}
	s := openShop(t)
	token := "Authorization: Bearer " + s.token(seller)
	if a, b := s.number("/v1/products/1", token), s.number("/v1/products/1", token); a == b {
		t.Errorf("a seller got answer %d twice: other replicas may have seen a write", a)
	}
}

// An order, a cancellation and a ban reach product by events. What was read meanwhile is not kept for long.
func TestWhatAnEventChangesIsAskedForAgain(t *testing.T) {
	s := openShop(t)
	shopper, admin := "Authorization: Bearer "+s.token("customer"), "Authorization: Bearer "+s.token("admin")
	for name, c := range map[string]struct{ method, path, body, as, read string }{
		"checkout": {"POST", "/v1/checkout", `{}`, shopper, "/v1/products/1"},
		"cancel":   {"POST", "/v1/orders/5/cancel", ``, shopper, "/v1/products/1"},
		"ban":      {"PUT", "/v1/admin/users/4/ban", `{}`, admin, "/v1/products"},
	} {
		s.next.Store(`{"id":"5","lines":[{"product_id":"1"}]}`)
		s.do(c.method, c.path, c.body, c.as, "Idempotency-Key: "+name)
		meanwhile, end := s.number(c.read), time.After(4*time.Second) // it would be kept for 5 s
		for s.number(c.read) == meanwhile {
			select {
			case <-end:
				t.Fatalf("%s: %s is kept", name, c.read)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// While product is down what was kept is good for five seconds.
func TestAKeptAnswerReplacesAFailure(t *testing.T) {
	s := openShop(t)
	kept := s.number("/v1/products/1")
	s.keepFor = time.Nanosecond
	s.down.Store(true)
	if n := s.number("/v1/products/1"); n != kept {
		t.Errorf("answer %d, want %d", n, kept)
	}
	s.do("GET", "/v1/products/2", "").want(t, "not kept", 503, "unavailable")
	s.keepFor = 0
	s.do("GET", "/v1/products/1", "").want(t, "nothing is to be kept", 503, "unavailable")
}

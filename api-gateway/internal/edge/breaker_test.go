package edge_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// When a route fails, the gateway refuses requests to it at once, without calling its service. Other routes still work,
// and 4xx answers do not open the breaker.
func TestAFailingRouteIsRefusedAtOnce(t *testing.T) {
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			switch {
			case strings.HasSuffix(r.URL.Path, "/v1/products"):
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w,
					`{"type":"about:blank","title":"","status":500,"code":"internal","trace_id":"0af7651916cd43dd8448eb211c80319c"}`)
			case strings.HasSuffix(r.URL.Path, "/v1/orders"):
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w,
					`{"type":"about:blank","title":"","status":503,"code":"overloaded","trace_id":"0af7651916cd43dd8448eb211c80319c"}`)
			default:
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w,
					`{"type":"about:blank","title":"","status":404,"code":"not_found","trace_id":"0af7651916cd43dd8448eb211c80319c"}`)
			}
		}
	})
	const asked = 100
	for range asked {
		m.do("GET", "/v1/products", "")
	}
	failed := len(m.seen)
	if failed >= asked {
		t.Errorf("a route that always fails was called %d of %d times", failed, asked)
	}
	res := m.do("GET", "/v1/products", "")
	res.want(t, "a route that fails", 503, "unavailable")
	if res.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After %q, want the time until the next attempt", res.Header.Get("Retry-After"))
	}
	for i := range asked {
		m.do("GET", "/v1/products/"+string(rune('1'+i%9)), "").want(t, "another route of the same app", 404, "not_found")
		m.signed("GET", "/v1/orders", "").want(t, "a service that sheds load", 503, "overloaded")
	}
	if n := len(m.seen) - failed; n != 2*asked {
		t.Errorf("%d of %d requests to other routes arrived", n, 2*asked)
	}
	if text := m.metrics(); !strings.Contains(text, `mall_breaker_state{app="product",route="GET /v1/products"} 2`) {
		t.Error("no metric shows the open breaker")
	}
}

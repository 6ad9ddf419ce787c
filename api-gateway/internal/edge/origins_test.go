package edge_test

import (
	"slices"
	"strings"
	"testing"

	"daprmall.dev/api-gateway/internal/edge"
)

func TestOriginsAreExact(t *testing.T) {
	for _, wrong := range []string{"*", "https://*.example", "shop.example", "https://shop.example/",
		"https://shop.example/x", "https://Shop.example", "null", "ftp://shop.example", "https://",
		"https://shop.example https://b.example"} {
		if _, err := edge.ParseOrigins(wrong); err == nil {
			t.Errorf("%q is taken for a list of origins", wrong)
		}
	}
	for _, right := range []string{"", " ", "https://shop.example", "https://shop.example, http://localhost:5173"} {
		if _, err := edge.ParseOrigins(right); err != nil {
			t.Error(err)
		}
	}
}

// Only pages of allowed origins may read answers; an answer says that it depends on the origin.
func TestOnlyAllowedOriginsMayRead(t *testing.T) {
	m := open(t, func(m *mall) { m.origins = "https://shop.example, http://localhost:5173" })
	for origin, allowed := range map[string]bool{"https://shop.example": true, "http://localhost:5173": true,
		"https://evil.example": false, "https://shop.example.evil.example": false, "http://shop.example": false,
		"null": false, "": false} {
		for _, path := range []string{"/v1/currency", "/v1/nothing", "/v1/cart"} { // 200, 404, 401
			h := m.do("GET", path, "", "Origin: "+origin).Header
			if !slices.Contains(h.Values("Vary"), "Origin") {
				t.Errorf("%s for %q: Vary %v", path, origin, h.Values("Vary"))
			}
			got := h.Get("Access-Control-Allow-Origin")
			if allowed && (got != origin || h.Get("Access-Control-Allow-Credentials") != "true") || !allowed && got != "" {
				t.Errorf("%s for %q: allowed %q with credentials %q", path, origin, got,
					h.Get("Access-Control-Allow-Credentials"))
			}
			for _, name := range []string{"Date", "ETag", "Idempotent-Replayed", "Retry-After"} {
				if exposed := h.Get("Access-Control-Expose-Headers"); strings.Contains(exposed, name) != allowed {
					t.Errorf("%s for %q: exposes %q", path, origin, exposed)
				}
			}
		}
	}
}

func TestAPreflightIsAnsweredAndKept(t *testing.T) {
	m := open(t, func(m *mall) { m.origins = "https://shop.example" })
	ask := func(m *mall, origin string) reply {
		return m.do("OPTIONS", "/v1/checkout", "", "Origin: "+origin, "Access-Control-Request-Method: POST",
			"Access-Control-Request-Headers: authorization,content-type,idempotency-key")
	}
	res := ask(m, "https://shop.example")
	allowed := strings.ToLower(res.Header.Get("Access-Control-Allow-Headers"))
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" ||
		!strings.Contains(res.Header.Get("Access-Control-Allow-Methods"), "POST") ||
		res.Header.Get("Access-Control-Max-Age") == "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	for _, name := range []string{"authorization", "content-type", "idempotency-key", "if-match", "last-event-id",
		"x-mall-session", "traceparent"} {
		if !strings.Contains(allowed, name) {
			t.Errorf("%s may not be sent: %s", name, allowed)
		}
	}
	if len(m.seen) > 0 {
		t.Errorf("%d requests reached a service", len(m.seen))
	}
	if res := ask(m, "https://evil.example"); res.Header.Get("Access-Control-Allow-Origin") != "" ||
		res.StatusCode != 405 || !slices.Contains(res.Header.Values("Vary"), "Origin") {
		t.Errorf("another origin: %d %v", res.StatusCode, res.Header)
	}
	none := ask(open(t, nil), "https://shop.example")
	if none.StatusCode != 405 || none.Header.Get("Vary") != "" {
		t.Errorf("without a setting: %d %v", none.StatusCode, none.Header)
	}
}

package edge_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/api-gateway/internal/storefront"
)

// page is an answer to a browser.
type page struct {
	*http.Response
	text string
}

// ask sends a request with headers; it does not follow redirects and decompresses nothing.
func (m *mall) ask(t *testing.T, path string, header map[string]string) page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.front.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read
	var b strings.Builder
	if _, err := io.Copy(&b, res.Body); err != nil {
		t.Fatal(err)
	}
	return page{res, b.String()}
}

const html = "text/html,application/xhtml+xml,*/*;q=0.8"

func TestBrowsersGetTheShop(t *testing.T) {
	m := open(t, nil)
	for path, status := range map[string]int{
		"/": 200, "/products": 200, "/products/71": 200, "/orders/71?x=1": 200, "/sign-in": 200,
		"/nothing": 404, "/v2/x": 404,
	} {
		res := m.ask(t, path, map[string]string{"Accept": html})
		if res.StatusCode != status || !strings.Contains(res.text, "<title>Shop") ||
			res.Header.Get("Content-Security-Policy") != storefront.Policy || res.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %.40q %v, want the page with %d", path, res.StatusCode, res.text, res.Header, status)
		}
	}
	for _, path := range []string{"/v1/nothing", "/v1/orders/71", "/internal/orders", "/openapi.yaml", "/docs/",
		"/healthz"} {
		if res := m.ask(t, path, map[string]string{"Accept": html}); strings.Contains(res.text, "<title>Shop") {
			t.Errorf("%s: %d, the page of the shop", path, res.StatusCode)
		}
	}
	for _, path := range []string{"/products", "/nothing"} {
		if res := m.ask(t, path, nil); res.StatusCode != 404 || !strings.Contains(res.text, "not_found") {
			t.Errorf("%s for a program: %d %s", path, res.StatusCode, res.text)
		}
	}
	if res := m.ask(t, "/", nil); !strings.Contains(res.text, `"openapi"`) ||
		res.Header.Get("Vary") != "Accept" {
		t.Errorf("/ for a program: %s %v", res.text, res.Header)
	}
}

func TestFilesOfTheShopAreKeptAndCompressed(t *testing.T) {
	m := open(t, nil)
	res := m.ask(t, "/assets/main-abc.js", nil)
	if res.text != "let shop" || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") ||
		!strings.HasPrefix(res.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("an asset: %q %v", res.text, res.Header)
	}
	if res := m.ask(t, "/assets/gone.js", map[string]string{"Accept": html}); res.StatusCode != 404 ||
		!strings.Contains(res.text, "not_found") {
		t.Errorf("an asset that is gone: %d %q, want a problem: a page would be run as a script", res.StatusCode, res.text)
	}
	for encoding, want := range map[string]string{"gzip": "gzip page", "gzip, br": "brotli page",
		"br;q=0": "<!doctype"} {
		res := m.ask(t, "/", map[string]string{"Accept": html, "Accept-Encoding": encoding})
		if !strings.HasPrefix(res.text, want) || !slices.Contains(res.Header.Values("Vary"), "Accept-Encoding") {
			t.Errorf("Accept-Encoding %s: %.20q %v", encoding, res.text, res.Header)
		}
		again := m.ask(t, "/", map[string]string{"Accept": html, "Accept-Encoding": encoding,
			"If-None-Match": res.Header.Get("ETag")})
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("Accept-Encoding %s, not changed: %d", encoding, again.StatusCode)
		}
	}
	if res := m.ask(t, "/config.json", nil); res.text != `{"api":""}` ||
		res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("config: %q %v", res.text, res.Header)
	}
}

// The gateway knows the pages that the shop has.
func TestTheGatewayKnowsTheShopsPages(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "storefront", "src", "app", "routes.tsx"))
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, found := range regexp.MustCompile(`path: '([a-z-]+)[/\w:-]*'`).FindAllStringSubmatch(string(raw), -1) {
		pages = append(pages, found[1])
	}
	slices.Sort(pages)
	pages = slices.Compact(pages)
	known := slices.Sorted(slices.Values(storefront.Pages))
	if !slices.Equal(pages, known) {
		t.Errorf("the gateway knows the pages %v, the shop has %v", known, pages)
	}
}

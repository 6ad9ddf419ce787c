package edge_test

import (
	"bufio"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestFailuresOfDaprAndServicesBecomeProblems(t *testing.T) {
	tests := map[string]struct {
		status      int
		media, body string
		want        int
		code        string
	}{
		"service unreachable": {500, "application/json",
			`{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: order, err: no such host 10.1.2.3"}`, 503,
			"unavailable"},
		"not allowed by ACL": {403, "application/json",
			`{"errorCode":"ERR_DIRECT_INVOKE","message":"access control policy has denied access"}`, 503, "unavailable"},
		"service without route":        {404, "text/plain", "404 page not found", 404, "not_found"},
		"service panicked":             {500, "text/plain", "panic: runtime error", 503, "unavailable"},
		"service died before its body": {201, "application/json; charset=utf-8", "", 503, "unavailable"},
		"service refused with HTML":    {400, "text/html", "<h1>no</h1>", 400, "bad_request"},
	}
	for name, test := range tests {
		m := open(t, func(m *mall) {
			m.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.media)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}
		})
		res := m.do("GET", "/v1/products", "")
		res.want(t, name, test.want, test.code)
		if strings.Contains(res.text, "10.1.2.3") || strings.Contains(res.text, "panic") ||
			strings.Contains(res.text, "policy") {
			t.Errorf("%s: internals in the answer: %s", name, res.text)
		}
		if retry := res.Header.Get("Retry-After"); (test.want == 503) != (retry != "") {
			t.Errorf("%s: %d with Retry-After %q", name, test.want, retry)
		}
	}
}

// A draining service closes its connections. A request that it did not begin to handle is sent again, with its body.
func TestARequestThatNoServiceHandledIsSentAgain(t *testing.T) {
	calls := 0
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if calls++; calls == 1 {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, `{"errorCode":"ERR_DIRECT_INVOKE","message":"http2: Transport: cannot retry err [`+
					`http2: Transport received Server's graceful shutdown GOAWAY] after Request.Body was written"}`)
				return
			}
			_, _ = io.WriteString(w, `{}`)
		}
	})
	res := m.signed("POST", "/v1/cart/items", `{"product_id":"7"}`)
	if res.StatusCode != http.StatusOK || len(m.bodies) != 2 || m.bodies[0] != m.bodies[1] || m.bodies[0] == "" {
		t.Errorf("%d after requests with %q, want 200 after the same one twice", res.StatusCode, m.bodies)
	}
}

func TestARefusalOfAServiceIsForwarded(t *testing.T) {
	const body = `{"type":"about:blank","title":"Conflict","status":409,"detail":"","code":"sold_out",` +
		`"trace_id":"0af7651916cd43dd8448eb211c80319c","errors":[{"field":"72","message":"1 left"}]}`
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(409)
			_, _ = io.WriteString(w, body)
		}
	})
	res := m.signed("POST", "/v1/checkout", "{}", "Idempotency-Key: k")
	res.want(t, "sold out", 409, "sold_out")
	if res.text != body {
		t.Errorf("answer %s, want the service's own", res.text)
	}
}

func TestAStreamIsFlushedAfterEachPiece(t *testing.T) {
	next := make(chan struct{})
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for range 2 {
				_, _ = io.WriteString(w, "data: x\n\n")
				w.(http.Flusher).Flush()
				<-next
			}
		}
	})
	res, err := get(t, m.front.URL+"/v1/products")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for range 2 { // the second piece is written only after the first was read here
		if !lines.Scan() || lines.Text() != "data: x" || !lines.Scan() {
			t.Fatalf("got %q, %v", lines.Text(), lines.Err())
		}
		next <- struct{}{}
	}
}

func TestNothingPersonalIsLogged(t *testing.T) {
	m := open(t, nil)
	token := m.token("admin")
	m.do("GET", "/v1/admin/users?email=wei@example.org", "", "Authorization: Bearer "+token)
	m.do("POST", "/v1/sessions", `{"email":"wei@example.org","password":"hunter22hunter"}`)
	m.do("GET", "/v1/orders/71", "", "Authorization: Bearer "+m.token("customer"), "Idempotency-Key: k-e-y")
	m.logMu.Lock()
	defer m.logMu.Unlock()
	log := m.log.String()
	if strings.Count(log, `"msg":"request"`) != 3 || !strings.Contains(log, "/v1/orders/:id") {
		t.Errorf("log has no line per request:\n%s", log)
	}
	for _, secret := range []string{"wei@", "hunter22", token, "k-e-y", "127.0.0.1"} {
		if strings.Contains(log, secret) {
			t.Errorf("log contains %q", secret)
		}
	}
}

func TestTheGatewaysOwnRoutes(t *testing.T) {
	m := open(t, nil)
	for _, path := range []string{"/", "/healthz", "/readyz", "/openapi.yaml", "/openapi.json", "/docs/"} {
		if res := m.do("GET", path, ""); res.StatusCode != 200 {
			t.Errorf("GET %s: %d, want 200", path, res.StatusCode)
		}
	}
	for _, path := range []string{"/docs/nothing", "/docs/%2e%2e/openapi.yaml", "/docs/static/"} {
		m.do("GET", path, "").want(t, path, 404, "not_found")
	}
	m.do("GET", "/metrics", "").want(t, "metrics, which have a port of their own", 404, "not_found")
	down := open(t, func(m *mall) { m.authDown = true })
	res, err := get(t, down.front.URL+"/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 503 || !strings.Contains(string(body), "revocations") {
		t.Errorf("not ready: %d %s, want 503 with what is missing", res.StatusCode, body)
	}
}

var link = regexp.MustCompile(`(?:src|href)="([^"]*)"`)

func TestTheDocumentationLoadsNothingFromOtherHosts(t *testing.T) {
	m := open(t, nil)
	page := m.do("GET", "/docs/", "")
	links := link.FindAllStringSubmatch(page.text, -1)
	if len(links) < 4 {
		t.Fatalf("the page has %d links, want those of its scripts and styles:\n%s", len(links), page.text)
	}
	for _, l := range links {
		if !strings.HasPrefix(l[1], "/docs/") {
			t.Errorf("the page loads %s", l[1])
			continue
		}
		if res := m.do("GET", l[1], ""); res.StatusCode != 200 || len(res.text) == 0 {
			t.Errorf("GET %s: %d, %d bytes", l[1], res.StatusCode, len(res.text))
		}
	}
	// The Content-Security-Policy forbids loading from other hosts, too.
	csp := page.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'self'") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
		t.Errorf("Content-Security-Policy %q lets the page load from elsewhere", csp)
	}
	if !strings.Contains(page.text, "/openapi.json") {
		t.Error("the page does not read /openapi.json")
	}
}

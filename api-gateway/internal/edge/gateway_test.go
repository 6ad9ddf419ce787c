package edge_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/api-gateway/internal/edge"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/identity"
)

func filled(path string) string {
	return strings.NewReplacer("{id}", "71", "{product_id}", "72").Replace(path)
}

func TestForgedTokensAreRefusedOnEveryRoute(t *testing.T) {
	m := open(t, nil)
	_, stranger := other(t)
	good := strings.Split(m.token("customer"), ".")
	admin := base64.RawURLEncoding.EncodeToString([]byte(
		`{"sub":"7","roles":["admin"],"sid":"s1","typ":"access","iss":"mall","aud":"mall",` +
			`"exp":9999999999,"iat":1,"iat_ms":1}`))
	forged := map[string]string{
		"no token":           "",
		"alg none":           m.sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"HS256 + public key": m.sign(jwt.SigningMethodHS256, []byte(m.keys.public), nil),
		"another key":        m.sign(jwt.SigningMethodEdDSA, stranger, nil),
		"expired": m.sign(jwt.SigningMethodEdDSA, m.keys.private,
			func(c *identity.Claims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second)) }),
		"refresh token":    m.sign(jwt.SigningMethodEdDSA, m.keys.private, func(c *identity.Claims) { c.Type = "refresh" }),
		"tampered payload": good[0] + "." + admin + "." + good[2],
		"cut short":        good[0] + "." + good[1] + ".",
		"not a token":      "hello",
	}
	for _, r := range edge.Routes() {
		for name, token := range forged {
			if r.Access == edge.Anyone {
				continue
			}
			res := m.do(r.Method, filled(r.Path), "", "Authorization: Bearer "+token, "Idempotency-Key: k")
			res.want(t, r.Method+" "+r.Path+" with "+name, http.StatusUnauthorized, "unauthenticated")
			if !strings.HasPrefix(res.Header.Get("Www-Authenticate"), "Bearer") {
				t.Errorf("%s with %s: WWW-Authenticate %q", r.Path, name, res.Header.Get("Www-Authenticate"))
			}
		}
	}
	if len(m.seen) > 0 {
		t.Errorf("%d forged requests reached a service", len(m.seen))
	}
}

func TestPublicRoutesIgnoreTokens(t *testing.T) {
	m := open(t, func(m *mall) { m.authDown = true })
	m.do("GET", "/v1/products", "", "Authorization: Bearer rubbish").want(t, "bad token", 200, "")
	if got := m.seen[0].Header.Get("Authorization"); got != "" {
		t.Errorf("a public route forwarded Authorization %q", got)
	}
	m.signed("GET", "/v1/cart", "").want(t, "signed in while the revocations are unknown", 503, "unavailable")
}

func TestRevokedTokensAreVoid(t *testing.T) {
	now, later := time.Now().UnixMilli(), time.Now().Add(time.Hour)
	tests := map[string]struct {
		revoked authv1.Revocation
		want    int
	}{
		"user": {authv1.Revocation{Kind: authv1.KindUser, Subject: "7", NotBefore: now, ExpiresAt: later},
			401},
		"user, before the token": {authv1.Revocation{Kind: authv1.KindUser, Subject: "7", NotBefore: now - 3600_000,
			ExpiresAt: later}, 200},
		"another user": {authv1.Revocation{Kind: authv1.KindUser, Subject: "8", NotBefore: now, ExpiresAt: later},
			200},
		"session": {authv1.Revocation{Kind: authv1.KindSession, Subject: "s1", NotBefore: now - 3600_000,
			ExpiresAt: later}, 401},
		"another session": {authv1.Revocation{Kind: authv1.KindSession, Subject: "s2", NotBefore: now,
			ExpiresAt: later}, 200},
	}
	for name, test := range tests {
		m := open(t, func(m *mall) { m.revoked = []authv1.Revocation{test.revoked} })
		if res := m.signed("GET", "/v1/me", ""); res.StatusCode != test.want {
			t.Errorf("%s revoked: %d, want %d", name, res.StatusCode, test.want)
		}
	}
}

func TestRolesDecideWhichRoutesAreAllowed(t *testing.T) {
	m := open(t, nil)
	for _, test := range []struct {
		roles        string
		method, path string
		want         int
	}{
		{"customer", "GET", "/v1/cart", 200},
		{"customer", "POST", "/v1/products", 403},
		{"customer", "GET", "/v1/admin/users", 403},
		{"customer,seller", "POST", "/v1/products", 200},
		{"seller", "GET", "/v1/cart", 200},
		{"seller", "PUT", "/v1/admin/users/9/ban", 403},
		{"admin", "PUT", "/v1/admin/users/9/ban", 200},
		{"admin", "POST", "/v1/products", 403},
		{"admin", "PATCH", "/v1/products/9", 200},
		{"customer,banned", "GET", "/v1/cart", 403},
		{"", "GET", "/v1/cart", 403},
	} {
		res := m.do(test.method, test.path, "", "Authorization: Bearer "+m.token(strings.Split(test.roles, ",")...))
		if res.StatusCode != test.want {
			t.Errorf("%s %s as %q: %d, want %d", test.method, test.path, test.roles, res.StatusCode, test.want)
		}
	}
}

func TestIdempotencyKeysAreCheckedAndForwarded(t *testing.T) {
	m := open(t, nil)
	long := strings.Repeat("k", 255)
	tests := []struct {
		name, method, path string
		headers            []string
		status             int
		code, forwarded    string
	}{
		{"required, missing", "POST", "/v1/checkout", nil, 400, "idempotency_key_required", ""},
		{"required, missing", "POST", "/v1/payments", nil, 400, "idempotency_key_required", ""},
		{"required, sent", "POST", "/v1/checkout", []string{"Idempotency-Key: a b~"}, 200, "", "a b~"},
		{"longest", "POST", "/v1/payments", []string{"Idempotency-Key: " + long}, 200, "", long},
		{"too long", "POST", "/v1/payments", []string{"Idempotency-Key: k" + long}, 400, "idempotency_key_invalid", ""},
		{"not ASCII", "POST", "/v1/checkout", []string{"Idempotency-Key: schlüssel"}, 400, "idempotency_key_invalid", ""},
		{"twice", "POST", "/v1/checkout", []string{"Idempotency-Key: a", "Idempotency-Key: b"}, 400,
			"idempotency_key_invalid", ""},
		{"optional, missing", "POST", "/v1/cart/items", nil, 200, "", ""},
		{"optional, sent", "POST", "/v1/cart/items", []string{"Idempotency-Key: a"}, 200, "", "a"},
		{"optional, bad", "POST", "/v1/cart/items", []string{"Idempotency-Key: " + long + "k"}, 400,
			"idempotency_key_invalid", ""},
		{"ignored on public routes", "POST", "/v1/sessions", []string{"Idempotency-Key: " + long + "k"}, 200, "", ""},
		{"ignored on PUT", "PUT", "/v1/cart/items/7", []string{"Idempotency-Key: a"}, 200, "", ""},
	}
	for _, test := range tests {
		m.seen = nil
		res := m.signed(test.method, test.path, `{}`, test.headers...)
		res.want(t, test.path+": "+test.name, test.status, test.code)
		if len(m.seen) > 0 && m.seen[0].Header.Get("Idempotency-Key") != test.forwarded {
			t.Errorf("%s: %s: forwarded key %q, want %q", test.path, test.name, m.seen[0].Header.Get("Idempotency-Key"),
				test.forwarded)
		}
	}
}

func TestBodiesAreLimitedAndMustBeJSON(t *testing.T) {
	m := open(t, nil)
	big := `{"x":"` + strings.Repeat("a", 1<<20-8) + `"}`
	m.signed("POST", "/v1/cart/items", big).want(t, "1 MiB", 200, "")
	if m.bodies[0] != big || m.seen[0].ContentLength != 1<<20 {
		t.Errorf("forwarded %d bytes with Content-Length %d, want %d", len(m.bodies[0]), m.seen[0].ContentLength, 1<<20)
	}
	m.seen = nil
	m.signed("POST", "/v1/cart/items", big+" ").want(t, "1 MiB and a byte", 413, "body_too_large")
	m.signed("POST", "/v1/cart/items", "a=b", "Content-Type: application/x-www-form-urlencoded").want(t, "form", 415,
		"unsupported_media_type")
	m.signed("POST", "/v1/cart/items", "{}", "Content-Type: ").want(t, "no type", 415, "unsupported_media_type")
	m.signed("POST", "/v1/cart/items", "{}", "Content-Type: application/json; charset=gbk").want(t, "charset", 415,
		"unsupported_media_type")
	gzip := m.signed("POST", "/v1/cart/items", "\x1f\x8b", "Content-Encoding: gzip")
	gzip.want(t, "gzip", 415, "unsupported_media_type")
	if gzip.Header.Get("Accept-Encoding") != "identity" || !strings.Contains(gzip.text, "Content-Encoding") {
		t.Errorf("gzip: Accept-Encoding %q, %s", gzip.Header.Get("Accept-Encoding"), gzip.text)
	}
	if len(m.seen) != 0 {
		t.Errorf("%d refused bodies were forwarded", len(m.seen))
	}
	m.signed("POST", "/v1/cart/items", "{}", "Content-Type: Application/JSON; charset=UTF-8",
		"Content-Encoding: identity").
		want(t, "plain", 200, "")
	m.seen = nil

	// A body without a declared length must not bypass the limit.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.front.URL+"/v1/cart/items",
		struct{ *bytes.Reader }{bytes.NewReader(make([]byte, 2<<20))})
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = -1
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+m.token("customer"))
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 413 || len(m.seen) > 0 {
		t.Errorf("2 MiB in chunks: %d, %d reached a service; want 413 and none", res.StatusCode, len(m.seen))
	}
}

func TestOnlyListedHeadersAreForwarded(t *testing.T) {
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("ETag", `"3"`)
			h.Set("Location", "/v1/orders/1")
			h.Set("Idempotent-Replayed", "true")
			h.Set("Dapr-Caller-App-Id", "api-gateway")
			h.Set("X-Internal", "secret")
			h.Set("Set-Cookie", "a=b")
			w.WriteHeader(201)
			_, _ = io.WriteString(w, "{}")
		}
	})
	res := m.signed("POST", "/v1/cart/items?a=1&b=%20", "{}", "If-Match: \"2\"", "Accept: application/json",
		"dapr-app-id: payment", "dapr-api-token: stolen", "dapr-caller-app-id: payment", "X-Forwarded-For: 6.6.6.6",
		"X-Forwarded-Host: evil",
		"Forwarded: for=6.6.6.6", "Cookie: a=b", "X-User-Id: 1",
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	got := m.seen[0]
	if got.URL.Path != "/v1.0/invoke/cart/method/v1/cart/items" || got.URL.RawQuery != "a=1&b=%20" {
		t.Errorf("was sent to %s", got.URL)
	}
	want := map[string]string{"If-Match": `"2"`, "Accept": "", "Dapr-Api-Token": "dapr-token", "Dapr-App-Id": "",
		"Dapr-Caller-App-Id": "",
		"X-Forwarded-For":    "", "X-Forwarded-Host": "", "Forwarded": "", "Cookie": "", "X-User-Id": "", "User-Agent": "",
		"Content-Type": "application/json"}
	for name, value := range want {
		if strings.Join(got.Header.Values(name), ",") != value {
			t.Errorf("a service receives %s: %q, want %q", name, got.Header.Values(name), value)
		}
	}
	if !strings.HasPrefix(got.Header.Get("Traceparent"), "00-0af7651916cd43dd8448eb211c80319c-") {
		t.Errorf("a service receives traceparent %q", got.Header.Get("Traceparent"))
	}
	for name, value := range map[string]string{"Etag": `"3"`, "Location": "/v1/orders/1", "Idempotent-Replayed": "true",
		"Dapr-Caller-App-Id": "", "X-Internal": "", "Set-Cookie": "",
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if res.Header.Get(name) != value {
			t.Errorf("a client receives %s: %q, want %q", name, res.Header.Get(name), value)
		}
	}
}

// A sidecar fails on headers with other characters, and the client would not be told why.
func TestHeadersThatSidecarsRefuseAreNotForwarded(t *testing.T) {
	m := open(t, nil)
	m.do("GET", "/v1/products/71", "", "If-None-Match: \"é\"", "Last-Event-ID: a\tb", "Accept: text/event-stream").want(t,
		"GET", 200, "")
	for _, name := range []string{"If-None-Match", "Last-Event-Id", "Accept"} {
		if got := m.seen[0].Header.Values(name); len(got) > 0 {
			t.Errorf("a service receives %s: %q", name, got)
		}
	}
}

func TestHeadIsAnsweredLikeGetWithoutBody(t *testing.T) {
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("ETag", `"3"`)
			_, _ = io.WriteString(w, `{"ok":true}`)
		}
	})
	for _, path := range []string{"/v1/products/71", "/", "/healthz", "/readyz", "/openapi.yaml", "/openapi.json",
		"/docs/", "/pictures/teapot.svg"} {
		get, head := m.do("GET", path, ""), m.do("HEAD", path, "")
		if head.StatusCode != 200 || head.text != "" {
			t.Errorf("HEAD %s: %d %q, want 200 without a body", path, head.StatusCode, head.text)
		}
		for _, name := range []string{"Content-Type", "ETag", "Content-Security-Policy"} {
			if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
				t.Errorf("HEAD %s: %s %q, want %q", path, name, got, want)
			}
		}
	}
	if got := m.seen[1]; got.Method != http.MethodGet || !strings.HasSuffix(got.URL.Path, "/v1/products/71") {
		t.Errorf("a service received %s %s, want GET", got.Method, got.URL.Path)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, m.front.URL+"/v1/orders/71", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != 401 {
		t.Errorf("HEAD of an order by a visitor: %d, want 401", res.StatusCode)
	}
}

func TestUnknownPathsAndMethodsAreRefused(t *testing.T) {
	m := open(t, nil)
	for _, path := range []string{"/v1/orders/x", "/v1/orders/0", "/v1/orders/-1", "/v1/orders/99999999999999999999",
		"/v1/orders/1%2F..%2F..%2Finternal",
		"/v1/orders/%2e%2e", "/v1/orders/1;a", "/v1/orders/1%00", "/v1/nothing", "/internal/orders", "/events/order-placed",
		"/v1/orders/1/", "/v1.0/invoke/order/method/x"} {
		m.signed("GET", path, "").want(t, path, 404, "not_found")
	}
	res := m.do("PATCH", "/v1/cart", "")
	res.want(t, "PATCH /v1/cart", 405, "method_not_allowed")
	if a := res.Header.Get("Allow"); !strings.Contains(a, "GET") || !strings.Contains(a, "DELETE") {
		t.Errorf("Allow: %q, want GET and DELETE", a)
	}
	if len(m.seen) > 0 {
		t.Errorf("%s reached a service", m.seen[0].URL)
	}
}

// Sidecars would fail on the first query; of the second, the filter behind # would be lost.
func TestQueriesAreForwardedUnchanged(t *testing.T) {
	m := open(t, nil)
	for query, want := range map[string]string{"q=\xff": "400", "q=tea#&max_price=100": "400",
		"q=\xe8\x8c\xb6&sort=-price": "200", "q=%ff%23": "200"} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", m.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /v1/products?"+query+
			" HTTP/1.1\r\nHost: mall\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if _ = conn.Close(); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
			t.Errorf("%q: %s (%v), want %s", query, answer, err, want)
		}
		if seen := len(m.seen); want == "200" && (seen == 0 || m.seen[seen-1].URL.RawQuery != query) {
			t.Errorf("%q did not reach the service unchanged", query)
		}
	}
	if len(m.seen) != 2 {
		t.Errorf("%d queries reached a service, want 2", len(m.seen))
	}
}

func other(t *testing.T) (any, any) {
	t.Helper()
	m := open(t, nil)
	return m.keys.public, m.keys.private
}

// The built-in policy and limits may allow more than the configured ones. So until the settings are known, every
// request is refused.
func TestRequestsAreRefusedUntilTheSettingsAreKnown(t *testing.T) {
	m := open(t, func(m *mall) { m.missing = []string{"gateway.policy"} })
	for _, r := range edge.Routes() {
		res := m.do(r.Method, strings.NewReplacer("{id}", "1", "{product_id}", "1").Replace(r.Path), "")
		res.want(t, r.Method+" "+r.Path, 503, "unavailable")
		if res.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", r.Method, r.Path)
		}
	}
	if len(m.seen) > 0 {
		t.Errorf("%d requests reached a service", len(m.seen))
	}
	m.do("GET", "/healthz", "").want(t, "health", 200, "")
	res, err := get(t, m.front.URL+"/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 503 || !strings.Contains(string(body), "gateway.policy") {
		t.Errorf("readyz: %d %s, want 503 with the missing settings", res.StatusCode, body)
	}
	m.missing = nil
	m.do("GET", "/v1/products", "").want(t, "once they are known", 200, "")
}

// A webhook's signature covers the exact bytes of the body, so payment must receive body and header unchanged. Other
// routes do not forward the header.
func TestAWebhookIsForwardedUnchanged(t *testing.T) {
	m := open(t, nil)
	const body = "{\n  \"id\": \"evt_1\",\t\"caf\u00e9\": 1.0 ,\"x\":\"\\u00e9\" }\n"
	const signature = "t=1767225600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"
	m.do("POST", "/v1/webhooks/stripe", body, "Stripe-Signature: "+signature).want(t, "webhook", 200, "")
	if len(m.seen) != 1 || m.bodies[0] != body || m.seen[0].Header.Get("Stripe-Signature") != signature {
		t.Fatalf("payment received %q, signed %q", m.bodies, m.seen[0].Header.Get("Stripe-Signature"))
	}
	m.do("GET", "/v1/products", "", "Stripe-Signature: "+signature).want(t, "another route", 200, "")
	if got := m.seen[1].Header.Get("Stripe-Signature"); got != "" {
		t.Errorf("another route forwards %q", got)
	}
}

// A route for files takes larger bodies of other types, one per user at a time.
func TestFilesAreTakenWhereARouteSaysSo(t *testing.T) {
	m := open(t, nil)
	seller := "Authorization: Bearer " + m.token("seller")
	const path = "/v1/products/import?dry_run=true"
	big := strings.Repeat("a", 16<<20)
	m.do("POST", path, big, seller, "Content-Type: text/csv; charset=UTF-8").want(t, "16 MiB", 200, "")
	if len(m.bodies[0]) != len(big) || m.seen[0].Header.Get("Content-Type") != "text/csv" ||
		m.seen[0].URL.RawQuery != "dry_run=true" {
		t.Errorf("forwarded %d bytes of %s", len(m.bodies[0]), m.seen[0].Header.Get("Content-Type"))
	}
	m.seen = nil
	m.do("POST", path, big+"a", seller, "Content-Type: text/csv").want(t, "a byte more", 413, "body_too_large")
	for _, media := range []string{"application/json", "text/csv; charset=latin1", "text/plain", ""} {
		got := m.do("POST", path, "{}", seller, "Content-Type: "+media)
		got.want(t, media, 415, "unsupported_media_type")
		if !strings.Contains(got.doc.Detail, "text/csv or application/jsonl") {
			t.Errorf("%q: %s", media, got.doc.Detail)
		}
	}
	m.signed("POST", path, "{}", "Content-Type: text/csv").want(t, "a customer", 403, "forbidden")
	if len(m.seen) != 0 {
		t.Errorf("%d refused files were forwarded", len(m.seen))
	}
	held, entered := make(chan struct{}), make(chan struct{})
	m.answer = func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-held
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	}
	first := make(chan reply, 1)
	go func() { first <- m.do("POST", path, "a", seller, "Content-Type: text/csv") }()
	<-entered
	m.do("POST", path, "a", seller, "Content-Type: text/csv").want(t, "a second file", 429, "too_many_requests")
	close(held)
	if r := <-first; r.StatusCode != 200 {
		t.Errorf("the first file: %d", r.StatusCode)
	}
}

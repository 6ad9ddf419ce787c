//go:build e2e

package e2e

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// On every route an id in the path that is malformed, unknown or of another kind is answered with 404.
func TestInvalidIDsInPathsAreNotFound(t *testing.T) {
	mine, me := newTargets(t)
	before := mine.stateOf(t, me)
	for _, op := range operations(t) {
		if !strings.Contains(op.Path, "{") || op.ID == "putProductBySKU" { // to which any sku is a new one
			continue
		}
		for _, id := range []string{"0", "-1", "1", "01", "1.5", "abc", "9223372036854775807", "9999999999999999999",
			"99999999999999999999999", "null", "%00", "%2e%2e", "..%2fcart", "1%20OR%201=1",
			"1;drop%20table%20orders", "%F0%9F%8D%B5", strings.Repeat("9", 2000)} {
			path := strings.NewReplacer("{id}", id, "{product_id}", id, "{code}", id, "{sku}", id).Replace(op.Path)
			a := do(t, as(op, me), op.Method, path, jsonOf(mine.body(op)), headers(op)...)
			want := []int{http.StatusNotFound}
			if op.ID == "removeFromCart" && a.Status == http.StatusOK { // the product is not in the cart, as requested
				continue
			}
			if wrong := refusal(a, want...); wrong != "" {
				t.Errorf("%s with id %.30q: %s", op.ID, id, wrong)
			}
		}
	}
	mine.unchanged(t, me, before)
}

// jsonOf returns nil for no body, so that none is sent.
func jsonOf(body map[string]any) any {
	if body == nil {
		return nil
	}
	return body
}

// Query parameters are checked as strictly as bodies: unknown, repeated and invalid ones are refused.
func TestInvalidQueriesAreRefused(t *testing.T) {
	mine, me := newTargets(t)
	for _, op := range operations(t) {
		// The gateway's own routes ignore the query.
		if op.Access == "operator" || slices.Contains([]string{"index", "openapi", "openapiJSON"}, op.ID) {
			continue
		}
		// The query must be UTF-8 on every route.
		a := do(t, as(op, me), op.Method, mine.path(op, me)+"?x=\xff", jsonOf(mine.body(op)), headers(op)...)
		if wrong := refusal(a, http.StatusBadRequest); wrong != "" || a.Code() != "bad_request" {
			t.Errorf("%s with a query that is not UTF-8: %s %s", op.ID, a, wrong)
		}
		if len(op.Query) == 0 {
			continue
		}
		bad := map[string][]string{
			"page_size":  {"0", "-1", "101", "1.5", "x", "", "1e1", "99999999999999999999", "20&page_size=20"},
			"page_token": {"", "x", "!", "AAAA", "%00", "MQ==", "' OR 1=1 --", strings.Repeat("A", 1025)},
			"surprise":   {"1"},
			"alt":        {strings.Repeat("x", 251), "%01", "a&alt=b"},
			"min_price":  {"-1", "1.505", "1,50", "x", "1e3", "99999999999999999999"},
			"max_price":  {"-1", "1.505", "-1.5", "x", "99999999999999999999"},
			"sort":       {"", "rank", "price desc", "price;drop table products", "-newest"},
			"status":     {"", "lost", "paid,cancelled", "' OR 1=1 --"},
			"q":          {strings.Repeat("x", 201), "%00", "%ff"},
			"category":   {strings.Repeat("x", 65), "%00", "%ff"},
			"seller_id":  {"", "0", "-1", "x", "1 OR 1=1", "99999999999999999999"},
			"product_id": {"", "0", "-1", "x", "1 OR 1=1", "99999999999999999999"},
			"user_id":    {"", "0", "-1", "x", "1 OR 1=1", "99999999999999999999"},
			"dry_run":    {"", "1", "yes"},
			"outcome":    {"", "lost", "refused,created"},
			"sku":        {"", strings.Repeat("x", 101), "%00", "%ff", "T-1"}, // the last without seller_id
			"email":      {strings.Repeat("x", 255), "%00", "%ff"},
		}
		for _, p := range append(op.Query, parameter{Name: "surprise"}) {
			if bad[p.Name] == nil {
				t.Errorf("%s: a new parameter %s: add an invalid value", op.ID, p.Name)
			}
			for _, value := range bad[p.Name] {
				query := p.Name + "=" + strings.NewReplacer(" ", "%20", ";", "%3B", "'", "%27").Replace(value)
				if wrong := refusal(do(t, as(op, me), op.Method, mine.path(op, me)+"?"+query, nil), refused...); wrong != "" {
					t.Errorf("%s?%.60s: %s", op.ID, query, wrong)
				}
			}
		}
		// net/url would ignore such a query
		for _, query := range []string{"page_size=1;2", "page_size=%zz", "%", "page_size=5%"} {
			if wrong := refusal(do(t, as(op, me), op.Method, mine.path(op, me)+"?"+query, nil),
				http.StatusBadRequest); wrong != "" {
				t.Errorf("%s?%s: %s", op.ID, query, wrong)
			}
		}
	}
}

// A sidecar would treat Accept: text/event-stream specially, and fail on header bytes that are not ASCII. Both must not
// change the answers to clients.
func TestUnusualHeadersDoNotChangeAnswers(t *testing.T) {
	mine, me := newTargets(t)
	odd := []string{"Accept", "text/event-stream", "Last-Event-ID", "schlüssel", "If-None-Match", `"é"`, "User-Agent",
		"钥匙"}
	for _, op := range operations(t) {
		if op.Method != http.MethodGet {
			continue
		}
		missing := strings.NewReplacer("{id}", "1", "{product_id}", "1", "{code}", "XX", "{sku}", "none").Replace(op.Path)
		for _, path := range []string{mine.path(op, me), missing} {
			want, got := do(t, as(op, me), op.Method, path, nil), do(t, as(op, me), op.Method, path, nil, odd...)
			if got.Status != want.Status || got.Header.Get("Content-Type") != want.Header.Get("Content-Type") {
				t.Errorf("%s %s: %s as %q, want %d as %q", op.ID, path, got, got.Header.Get("Content-Type"), want.Status,
					want.Header.Get("Content-Type"))
			}
		}
	}
}

// An Idempotency-Key has 1 to 255 printable characters, and is required where money or stock is involved.
func TestInvalidIdempotencyKeysAreRefused(t *testing.T) {
	mine, me := newTargets(t)
	before := mine.stateOf(t, me)
	for _, op := range operations(t) {
		if !op.KeyTaken {
			continue
		}
		keys := []string{"", strings.Repeat("k", 256), strings.Repeat("k", 5000), "k\tk", "schlüssel", "钥匙"}
		for _, key := range keys {
			a := do(t, as(op, me), op.Method, mine.path(op, me), jsonOf(mine.body(op)), "Idempotency-Key", key)
			if wrong := refusal(a, http.StatusBadRequest); wrong != "" || a.Code() != "idempotency_key_invalid" {
				t.Errorf("%s with key %.20q: %s %s", op.ID, key, a, wrong)
			}
		}
		if !op.KeyRequired {
			continue
		}
		a := do(t, as(op, me), op.Method, mine.path(op, me), jsonOf(mine.body(op)))
		if wrong := refusal(a, http.StatusBadRequest); wrong != "" || a.Code() != "idempotency_key_required" {
			t.Errorf("%s without a key: %s %s", op.ID, a, wrong)
		}
	}
	mine.unchanged(t, me, before)
}

// Unknown paths and methods are refused with problem documents, whatever they contain.
func TestUnknownRoutesAreRefused(t *testing.T) {
	admin := *admin
	admin.Seen = nil // openapi.yaml does not declare these routes
	for path, method := range map[string]string{"/v2/products": "GET", "/v1/products/": "GET", "/v1//products": "GET",
		"/v1/../v1/me": "GET", "/internal/orders/fence": "POST",
		"/events": "GET", "/events/order-paid": "POST", "/v1.0/invoke/order/method/v1/orders": "GET",
		"/v1.0/secrets/secrets/signing-keys": "GET", "/v1/products/%2e%2e/cart": "GET", "/debug/pprof/": "GET",
		"/.env": "GET"} {
		if wrong := refusal(do(t, &admin, method, path, nil), http.StatusNotFound); wrong != "" {
			t.Errorf("%s %s: %s", method, path, wrong)
		}
	}
	for path, method := range map[string]string{"/v1/products": "DELETE", "/v1/me": "POST", "/v1/orders": "POST",
		"/v1/cart": "TRACE", "/v1/users": "GET", "/v1/payments": "CONNECT"} {
		if wrong := refusal(do(t, &admin, method, path, nil), http.StatusMethodNotAllowed, http.StatusNotFound); wrong != "" {
			t.Errorf("%s %s: %s", method, path, wrong)
		}
	}
}

// To sign up one needs a valid email address and a password of 10 to 128 characters.
func TestInvalidSignUpsAreRefused(t *testing.T) {
	for what, c := range map[string]struct{ email, password string }{
		"no at":                    {"shopper.mall.local", apiclient.Password},
		"no name":                  {"@mall.local", apiclient.Password},
		"no host":                  {"shopper@", apiclient.Password},
		"a host without a dot":     {"shopper@local", apiclient.Password},
		"two at":                   {"a@b@mall.local", apiclient.Password},
		"a display name":           {"Wei <wei@mall.local>", apiclient.Password},
		"two addresses":            {"a@mall.local, b@mall.local", apiclient.Password},
		"a line break":             {"a@mall.local\r\nBcc: x@mall.local", apiclient.Password},
		"a space":                  {"a b@mall.local", apiclient.Password},
		"a right-to-left override": {"turned@mall.local\u202e", apiclient.Password},
		"too long":                 {strings.Repeat("a", 250) + "@mall.local", apiclient.Password},
		"a script":                 {"<script>alert(1)</script>@mall.local", apiclient.Password},
		"nine characters":          {"nine@mall.local", "123456789"},
		"129 characters":           {"long@mall.local", strings.Repeat("p", 129)},
		"a huge password":          {"huge@mall.local", strings.Repeat("p", 500_000)},
		"no password":              {"none@mall.local", ""},
	} {
		a := do(t, visitor, http.MethodPost, "/v1/users", map[string]string{"email": c.email, "password": c.password})
		if wrong := refusal(a, http.StatusUnprocessableEntity); wrong != "" {
			t.Errorf("%s: %s", what, wrong)
		}
		if bytes.Contains(a.Body, []byte(c.password)) && c.password != "" {
			t.Errorf("%s: the answer repeats the password", what)
		}
		if signedIn := do(t, visitor, http.MethodPost, "/v1/sessions",
			map[string]string{"email": c.email, "password": c.password}); signedIn.Status == http.StatusCreated {
			t.Errorf("%s: there is an account now", what)
		}
	}
	taken := do(t, visitor, http.MethodPost, "/v1/users",
		map[string]string{"email": "SELLER@mall.local", "password": apiclient.Password})
	if wrong := refusal(taken, http.StatusConflict); wrong != "" || taken.Code() != "email_taken" {
		t.Errorf("an email in capital letters: %s %s", taken, wrong)
	}
	unknown := do(t, visitor, http.MethodPost, "/v1/sessions",
		map[string]string{"email": "nobody@mall.local", "password": apiclient.Password})
	wrongPassword := do(t, visitor, http.MethodPost, "/v1/sessions",
		map[string]string{"email": "seller@mall.local", "password": "not this one"})
	if wrong := refusal(unknown, http.StatusUnauthorized); wrong != "" || !sameRefusal(unknown, wrongPassword) {
		t.Errorf("an unknown email: %s %s; a wrong password: %s", unknown, wrong, wrongPassword)
	}
}

// Text that tries an injection is stored and shown unchanged, or refused, but never executed.
func TestInjectionsAreTreatedAsText(t *testing.T) {
	me := newMember(t)
	for _, text := range []string{"'; DROP TABLE products; --", "\" OR \"1\"=\"1", "<script>alert(1)</script>",
		"${jndi:ldap://x}", "{{7*7}}", "%s%n%p", "../../../etc/passwd",
		"' UNION SELECT password_hash FROM users --", "\\", "\u202e\u0000x"[:len("\u202e")], "茶'茶", "a & b | c ! (d) :*",
		"<->", "\n\r\n"} {
		var p apiclient.Product
		a := do(t, seller, http.MethodPost, "/v1/products",
			map[string]any{"name": "X " + text, "description": text, "category": "injection", "price": 100, "stock": 1})
		switch a.Status {
		case http.StatusCreated:
			var shown struct{ Name, Description string }
			if err := a.Into(&p); err != nil {
				t.Fatal(err)
			}
			if err := visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products/"+p.ID, nil, &shown); err != nil ||
				strings.TrimSpace(shown.Name) != strings.TrimSpace("X "+text) || shown.Description != text {
				t.Errorf("%q came back as %+v, %v", text, shown, err)
			}
		default:
			if wrong := refusal(a, refused...); wrong != "" {
				t.Errorf("product %q: %s", text, wrong)
			}
		}
		for _, query := range []string{"q", "category"} {
			a := do(t, visitor, http.MethodGet, "/v1/products?"+query+"="+url.QueryEscape(text), nil)
			if a.Status != http.StatusOK {
				if wrong := refusal(a, refused...); wrong != "" {
					t.Errorf("%s=%q: %s", query, text, wrong)
				}
			}
		}
		if a := do(t, admin, http.MethodGet, "/v1/admin/users?email="+url.QueryEscape(text),
			nil); a.Status != http.StatusOK || !bytes.Contains(a.Body, []byte(`"items":[]`)) {
			t.Errorf("users with email %q: %s", text, a)
		}
		kept := address("Beijing")
		kept["recipient"] = text
		if a := do(t, me.Client, http.MethodPost, "/v1/addresses", kept); a.Status == http.StatusCreated {
			var shown struct{ Recipient string }
			if err := a.Into(&shown); err != nil || shown.Recipient != text {
				t.Errorf("recipient %q came back as %q, %v", text, shown.Recipient, err)
			}
		} else if wrong := refusal(a, refused...); wrong != "" {
			t.Errorf("recipient %q: %s", text, wrong)
		}
		if a := do(t, visitor, http.MethodPost, "/v1/sessions",
			map[string]string{"email": text, "password": text}); a.Status == http.StatusCreated {
			t.Errorf("signed in as %q", text)
		} else if wrong := refusal(a, append(refused, http.StatusUnauthorized)...); wrong != "" {
			t.Errorf("signing in as %q: %s", text, wrong)
		}
	}
}

// Two sellers' tabs: a change of a version that is not the newest is refused, and so is one that names no version.
func TestStaleChangesAreRefused(t *testing.T) {
	p := product(t, "Versioned tea", 500, 1)
	path := "/v1/products/" + p.ID
	first := do(t, visitor, http.MethodGet, path, nil)
	if a := do(t, seller, http.MethodPatch, path, map[string]any{"price": 600}, "If-Match",
		first.Header.Get("Etag")); a.Status != http.StatusOK || a.Header.Get("Etag") == first.Header.Get("Etag") {
		t.Fatalf("a good change: %s, ETag %s", a, a.Header.Get("Etag"))
	}
	for what, c := range map[string]struct {
		headers []string
		status  int
	}{
		"stale":            {[]string{"If-Match", first.Header.Get("Etag")}, http.StatusPreconditionFailed},
		"of another":       {[]string{"If-Match", `"99"`}, http.StatusPreconditionFailed},
		"no ETag":          {[]string{"If-Match", "x"}, http.StatusPreconditionFailed},
		"a weak ETag":      {[]string{"If-Match", `W/"2"`}, http.StatusPreconditionFailed},
		"missing":          {nil, http.StatusPreconditionRequired},
		"empty":            {[]string{"If-Match", ""}, http.StatusPreconditionRequired},
		"an SQL injection": {[]string{"If-Match", `"2" OR 1=1`}, http.StatusPreconditionFailed},
	} {
		if wrong := refusal(do(t, seller, http.MethodPatch, path, map[string]any{"price": 700}, c.headers...),
			c.status); wrong != "" {
			t.Errorf("If-Match %s: %s", what, wrong)
		}
	}
	if now, err := visitor.Product(t.Context(), p.ID); err != nil || now.Price != 600 {
		t.Errorf("the product is %+v, %v, want the price of the one valid change", now, err)
	}
}

// A card that cannot be valid is refused before the provider is asked, and the answer does not repeat its number.
func TestInvalidCardsAreRefused(t *testing.T) {
	mine, me := newTargets(t)
	before := mine.stateOf(t, me)
	for what, card := range map[string]map[string]any{
		"fails the Luhn check": {"number": "4242424242424241"},
		"letters":              {"number": "4242abcd42424242"},
		"blanks":               {"number": "4242 4242 4242 4242"},
		"eleven digits":        {"number": "42424242424"},
		"twenty digits":        {"number": "42424242424242424242"},
		"expired":              {"exp_year": 2020},
		"month 0":              {"exp_month": 0},
		"month 13":             {"exp_month": 13},
		"two digits of cvc":    {"cvc": "12"},
		"five digits of cvc":   {"cvc": "12345"},
		"cvc in letters":       {"cvc": "abc"},
	} {
		body := mine.body(operation{ID: "pay"})
		c := body["card"].(map[string]any)
		maps.Copy(c, card)
		a := do(t, me.Client, http.MethodPost, "/v1/payments", body, "Idempotency-Key", apiclient.Key())
		if wrong := refusal(a, http.StatusUnprocessableEntity); wrong != "" {
			t.Errorf("%s: %s", what, wrong)
		}
		if n := c["number"].(string); bytes.Contains(a.Body, []byte(n)) {
			t.Errorf("%s: the answer repeats the number", what)
		}
	}
	mine.unchanged(t, me, before)
}

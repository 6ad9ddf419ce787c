//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/shop"
)

// stall is somebody's things that bad requests aim at.
type stall struct {
	product, address, order, payment string
}

// newStall gives somebody one of everything, and nothing that moves by itself.
func newStall(t *testing.T) (stall, member) {
	t.Helper()
	me := newMember(t)
	address, err := me.Address(t.Context(), "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	p := product(t, "Tea under test", 1200, 50)
	paid := order(t, me.Client, address, p.ID, 1)
	a, err := me.Pay(t.Context(), shop.Key(), paid.ID, shop.CardGood)
	var payment shop.Payment
	if err != nil || a.Status != http.StatusCreated || a.Into(&payment) != nil {
		t.Fatalf("pay: %s, %v", a, err)
	}
	waitOrder(t, me.Client, paid.ID, "paid")
	unpaid := order(t, me.Client, address, p.ID, 2)
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items", shop.Line{ProductID: p.ID, Quantity: 3}, nil); err != nil {
		t.Fatal(err)
	}
	waitAvailable(t, p.ID, 47)
	return stall{product: p.ID, address: address, order: unpaid.ID, payment: payment.ID}, me
}

// path fills a route's path with what the stall has.
func (s stall) path(op operation, me member) string {
	id := map[string]string{"/v1/products": s.product, "/v1/addresses": s.address, "/v1/orders": s.order, "/v1/payments": s.payment, "/v1/admin": me.id}
	for prefix, v := range id {
		if strings.HasPrefix(op.Path, prefix) {
			return strings.ReplaceAll(op.Path, "{id}", v)
		}
	}
	return strings.ReplaceAll(op.Path, "{product_id}", s.product)
}

// body is a good body for a route, to be spoilt.
func (s stall) body(op operation) map[string]any {
	line := map[string]any{"product_id": s.product, "quantity": 2}
	return map[string]map[string]any{
		"signUp":             {"email": newEmail(), "password": shop.Password},
		"signIn":             {"email": "seller@mall.local", "password": shop.Password},
		"refreshSession":     {"refresh_token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"createProduct":      {"name": "Spoilt tea", "description": "d", "category": "tests", "image_url": "/images/x.jpg", "price": 100, "stock": 5},
		"changeProduct":      {"name": "Spoilt tea", "description": "d", "category": "tests", "image_url": "/images/x.jpg", "price": 100},
		"adjustStock":        {"delta": 5, "reason": "delivery"},
		"addToCart":          line,
		"setInCart":          {"quantity": 7},
		"addAddress":         address("Beijing"),
		"replaceAddress":     address("Beijing"),
		"quote":              {"items": []any{line}},
		"checkOut":           {"address_id": s.address, "items": []any{line}, "expected_total": 2400},
		"changeOrderAddress": {"address_id": s.address},
		"pay":                {"order_id": s.order, "card": map[string]any{"number": shop.CardGood, "exp_month": 12, "exp_year": 2035, "cvc": "123"}},
		"setRoles":           {"roles": []any{"customer"}},
		"banUser":            {"reason": "tests"},
		"unbanUser":          {"reason": "tests"},
	}[op.ID]
}

func address(city string) map[string]any {
	return map[string]any{"recipient": "Wei Chen", "phone": "1", "street": "1 Century Avenue", "city": city, "state": city, "country": "CN", "postal_code": "200120"}
}

// as gives who may ask an operation.
func as(op operation, me member) *shop.Client {
	switch op.Access {
	case "seller":
		return seller
	case "admin":
		return admin
	case "customer":
		return me.Client
	}
	return visitor
}

// headers are what a good request of an operation has besides its body.
func headers(op operation) []string {
	var h []string
	if op.KeyRequired {
		h = append(h, "Idempotency-Key", shop.Key())
	}
	if op.ID == "changeProduct" {
		h = append(h, "If-Match", `"1"`)
	}
	return h
}

// belongings is everything bad requests could have changed, as its owner sees it.
func (s stall) belongings(t *testing.T, me member) string {
	t.Helper()
	var all strings.Builder
	for path, who := range map[string]*shop.Client{"/v1/me": me.Client, "/v1/cart": me.Client, "/v1/addresses?page_size=100": me.Client, "/v1/orders?page_size=100": me.Client,
		"/v1/payments/" + s.payment: me.Client, "/v1/products/" + s.product: visitor, "/v1/products?q=spoilt": visitor, "/v1/admin/users?email=" + me.email: admin} {
		a := do(t, who, http.MethodGet, path, nil)
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %s", path, a)
		}
		all.WriteString(path + "\n" + string(a.Body) + "\n")
	}
	lines := strings.Split(all.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// unchanged fails if anything is not as it was.
func (s stall) unchanged(t *testing.T, me member, before string) {
	t.Helper()
	was := strings.Split(before, "\n")
	for line := range strings.SplitSeq(s.belongings(t, me), "\n") {
		if !slices.Contains(was, line) {
			t.Errorf("bad requests changed something:\n%s", line)
		}
	}
}

// tolerated are bodies that one route takes and the others do not.
func tolerated(op operation, what string) bool {
	switch what {
	case "nothing in it":
		return op.BodyOptional || op.ID == "quote" // of the cart
	case "empty":
		return op.BodyOptional
	}
	return op.BodyOptional && (strings.HasSuffix(what, "left out") || strings.HasSuffix(what, "null") && what != "null")
}

// spoilt is a body with one thing wrong.
type spoilt struct {
	what     string
	body     any
	statuses []int
	headers  []string
}

var (
	unread  = []int{http.StatusBadRequest}
	refused = []int{http.StatusBadRequest, http.StatusUnprocessableEntity}
)

// unreadable are bodies that no route with a body may take.
func unreadable(good map[string]any) []spoilt {
	extra := maps.Clone(good)
	extra["surprise"] = 1
	whole, _ := json.Marshal(good)
	return []spoilt{
		{"empty", nil, unread, nil},
		{"not JSON", []byte("price=1&name=x"), unread, nil},
		{"half a JSON", whole[:len(whole)-1], unread, nil},
		{"two objects", append(slices.Clone(whole), whole...), unread, nil},
		{"a list", []byte("[]"), refused, nil},
		{"a text", []byte(`"text"`), refused, nil},
		{"null", []byte("null"), refused, nil},
		{"nothing in it", []byte("{}"), refused, nil},
		{"deep JSON", []byte(strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000)), unread, nil},
		{"an unknown field", extra, refused, nil},
		{"a form", []byte("a=b"), []int{http.StatusUnsupportedMediaType}, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"JSON called text", whole, []int{http.StatusUnsupportedMediaType}, []string{"Content-Type", "text/plain"}},
		{"no content type", whole, []int{http.StatusUnsupportedMediaType}, []string{"Content-Type", ""}},
		{"5 MB", bytes.Repeat([]byte(" "), 5<<20), []int{http.StatusRequestEntityTooLarge}, nil},
		{"a byte too many", append(bytes.Repeat([]byte(" "), 1<<20+1-len(whole)), whole...), []int{http.StatusRequestEntityTooLarge}, nil},
	}
}

// violations of a schema, one at a time: wrong types, beyond each bound, left out.
func violate(good map[string]any, s schema) []spoilt {
	var all []spoilt
	with := func(what, field string, value any) {
		b := maps.Clone(good)
		b[field] = value
		all = append(all, spoilt{field + " " + what, b, refused, nil})
	}
	for field, v := range s.at("properties") {
		p := asSchema(v)
		if s.requires(field) {
			without := maps.Clone(good)
			delete(without, field)
			all = append(all, spoilt{field + " left out", without, refused, nil})
			with("null", field, nil)
		}
		switch p.text("type") {
		case "integer":
			for _, wrong := range []any{"5", 1.5, true, []any{1}, map[string]any{}, json.Number("1e30"), json.Number("99999999999999999999"), json.Number("9223372036854775807"), json.Number("-9223372036854775808")} {
				with(fmt.Sprint("= ", wrong), field, wrong)
			}
			if least, ok := p.int("minimum"); ok {
				with("too small", field, least-1)
			}
			if most, ok := p.int("maximum"); ok {
				with("too large", field, most+1)
			}
			if not, ok := p.at("not").int("const"); ok {
				with("of the one value it must not have", field, not)
			}
		case "string":
			for _, wrong := range []any{5, false, []any{"x"}, map[string]any{"$ne": ""}} {
				with(fmt.Sprint("= ", wrong), field, wrong)
			}
			text, _ := good[field].(string)
			with("with NUL", field, text+"\x00")
			if most, ok := p.int("maxLength"); ok && field != "password" {
				with("too long", field, strings.Repeat("x", most+1))
			}
			if least, ok := p.int("minLength"); ok {
				with("too short", field, strings.Repeat("x", least-1))
			}
			if p.text("pattern") != "" {
				for _, wrong := range []string{"", " ", "x' OR 1=1 --", "../../etc/passwd"} {
					with(fmt.Sprintf("= %q", wrong), field, wrong)
				}
			}
		case "array":
			with("a text", field, "x")
			with("an object", field, map[string]any{})
			with("empty", field, []any{})
			first, _ := good[field].([]any)
			if len(first) == 0 {
				break
			}
			if most, ok := p.int("maxItems"); ok {
				with("too many", field, slices.Repeat(first, most+1))
			}
			if _, object := first[0].(map[string]any); object {
				for _, inner := range violate(first[0].(map[string]any), p.at("items")) {
					with(inner.what, field, []any{inner.body})
				}
				break
			}
			with("twice the same", field, slices.Repeat(first, 2))
			with("of an unknown value", field, []any{"emperor"})
			with("of a number", field, []any{1})
		case "object":
			inner, _ := good[field].(map[string]any)
			for _, bad := range violate(inner, p) {
				with(bad.what, field, bad.body)
			}
		}
	}
	return all
}

// Every route with a body refuses whatever openapi.yaml does not allow, changes nothing and shows nothing of itself.
func TestBadBodiesChangeNothing(t *testing.T) {
	ops := slices.DeleteFunc(operations(t), func(op operation) bool { return op.Body == nil })
	for _, op := range ops {
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			mine, me := newStall(t)
			good := mine.body(op)
			if good == nil {
				t.Fatalf("a new route with a body: say in body() what a good one is")
			}
			before := mine.belongings(t, me)
			for _, bad := range append(unreadable(good), violate(good, op.Body)...) {
				if tolerated(op, bad.what) {
					continue
				}
				switch op.ID {
				case "signIn", "refreshSession": // what cannot be anybody's may also just be wrong
					bad.statuses = append(slices.Clone(bad.statuses), http.StatusUnauthorized)
				case "checkOut": // a total that cannot be is not the total
					bad.statuses = append(slices.Clone(bad.statuses), http.StatusConflict)
				}
				a := do(t, as(op, me), op.Method, mine.path(op, me), bad.body, append(headers(op), bad.headers...)...)
				if wrong := refusal(a, bad.statuses...); wrong != "" {
					t.Errorf("%s: %s", bad.what, wrong)
				}
			}
			mine.unchanged(t, me, before)
		})
	}
}

// Every id in a path that is malformed, unknown or not of this kind is a missing object, on every route.
func TestBadIDsNameNothing(t *testing.T) {
	mine, me := newStall(t)
	before := mine.belongings(t, me)
	for _, op := range operations(t) {
		if !strings.Contains(op.Path, "{") {
			continue
		}
		for _, id := range []string{"0", "-1", "1", "01", "1.5", "abc", "9223372036854775807", "9999999999999999999", "99999999999999999999999", "null", "%00", "%2e%2e", "..%2fcart", "1%20OR%201=1",
			"1;drop%20table%20orders", "%F0%9F%8D%B5", strings.Repeat("9", 2000)} {
			path := strings.NewReplacer("{id}", id, "{product_id}", id).Replace(op.Path)
			a := do(t, as(op, me), op.Method, path, jsonOf(mine.body(op)), headers(op)...)
			want := []int{http.StatusNotFound}
			if op.ID == "removeFromCart" && a.Status == http.StatusOK { // it is not in the cart, as asked
				continue
			}
			if wrong := refusal(a, want...); wrong != "" {
				t.Errorf("%s with id %.30q: %s", op.ID, id, wrong)
			}
		}
	}
	mine.unchanged(t, me, before)
}

// jsonOf is nil for no body, and JSON otherwise.
func jsonOf(body map[string]any) any {
	if body == nil {
		return nil
	}
	return body
}

// Query parameters are as strict as bodies: unknown, doubled and wrong ones are refused.
func TestBadQueries(t *testing.T) {
	_, me := newStall(t)
	for _, op := range operations(t) {
		if len(op.Query) == 0 {
			continue
		}
		bad := map[string][]string{
			"page_size":  {"0", "-1", "101", "1.5", "x", "", "1e1", "99999999999999999999", "20&page_size=20"},
			"page_token": {"x", "!", "AAAA", "%00", "MQ==", "' OR 1=1 --", strings.Repeat("A", 1025)},
			"surprise":   {"1"},
			"min_price":  {"-1", "1.5", "x", "1e3", "99999999999999999999"},
			"max_price":  {"-1", "1.5", "x", "99999999999999999999"},
			"sort":       {"rank", "price desc", "price;drop table products", "-newest"},
			"status":     {"lost", "paid,cancelled", "' OR 1=1 --"},
			"q":          {strings.Repeat("x", 201), "%00"},
			"category":   {strings.Repeat("x", 65), "%00"},
			"email":      {strings.Repeat("x", 255), "%00"},
		}
		for _, p := range append(op.Query, parameter{Name: "surprise"}) {
			if bad[p.Name] == nil {
				t.Errorf("%s: a new parameter %s: say what a bad one is", op.ID, p.Name)
			}
			for _, value := range bad[p.Name] {
				query := p.Name + "=" + strings.NewReplacer(" ", "%20", ";", "%3B", "'", "%27").Replace(value)
				if wrong := refusal(do(t, as(op, me), op.Method, op.Path+"?"+query, nil), refused...); wrong != "" {
					t.Errorf("%s?%.60s: %s", op.ID, query, wrong)
				}
			}
		}
	}
}

// An Idempotency-Key is 1 to 255 printable characters; where money or stock is at stake there must be one.
func TestBadIdempotencyKeys(t *testing.T) {
	mine, me := newStall(t)
	before := mine.belongings(t, me)
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

// Addresses and methods that do not exist are refused as problems, whatever is in them.
func TestNoSuchRoute(t *testing.T) {
	admin := *admin
	admin.Seen = nil // openapi.yaml says nothing of what it does not list
	for path, method := range map[string]string{"/v2/products": "GET", "/v1/products/": "GET", "/v1//products": "GET", "/v1/../v1/me": "GET", "/internal/orders/fence": "POST",
		"/events": "GET", "/events/order-paid": "POST", "/v1.0/invoke/order/method/v1/orders": "GET", "/v1.0/secrets/secrets/signing-keys": "GET", "/v1/products/%2e%2e/cart": "GET", "/debug/pprof/": "GET", "/.env": "GET"} {
		if wrong := refusal(do(t, &admin, method, path, nil), http.StatusNotFound); wrong != "" {
			t.Errorf("%s %s: %s", method, path, wrong)
		}
	}
	for path, method := range map[string]string{"/v1/products": "DELETE", "/v1/me": "POST", "/v1/orders": "POST", "/v1/cart": "TRACE", "/v1/users": "GET", "/v1/payments": "CONNECT"} {
		if wrong := refusal(do(t, &admin, method, path, nil), http.StatusMethodNotAllowed, http.StatusNotFound); wrong != "" {
			t.Errorf("%s %s: %s", method, path, wrong)
		}
	}
}

// Who signs up needs an address that can be written to and a password of 10 to 128 characters.
func TestSignUpRefuses(t *testing.T) {
	for what, c := range map[string]struct{ email, password string }{
		"no at":                {"shopper.mall.local", shop.Password},
		"no name":              {"@mall.local", shop.Password},
		"no host":              {"shopper@", shop.Password},
		"a host without a dot": {"shopper@local", shop.Password},
		"two at":               {"a@b@mall.local", shop.Password},
		"a display name":       {"Wei <wei@mall.local>", shop.Password},
		"two addresses":        {"a@mall.local, b@mall.local", shop.Password},
		"a line break":         {"a@mall.local\r\nBcc: x@mall.local", shop.Password},
		"a blank":              {"a b@mall.local", shop.Password},
		"too long":             {strings.Repeat("a", 250) + "@mall.local", shop.Password},
		"a script":             {"<script>alert(1)</script>@mall.local", shop.Password},
		"nine characters":      {"nine@mall.local", "123456789"},
		"129 characters":       {"long@mall.local", strings.Repeat("p", 129)},
		"a huge password":      {"huge@mall.local", strings.Repeat("p", 500_000)},
		"no password":          {"none@mall.local", ""},
	} {
		a := do(t, visitor, http.MethodPost, "/v1/users", map[string]string{"email": c.email, "password": c.password})
		if wrong := refusal(a, http.StatusUnprocessableEntity); wrong != "" {
			t.Errorf("%s: %s", what, wrong)
		}
		if bytes.Contains(a.Body, []byte(c.password)) && c.password != "" {
			t.Errorf("%s: the answer repeats the password", what)
		}
		if signedIn := do(t, visitor, http.MethodPost, "/v1/sessions", map[string]string{"email": c.email, "password": c.password}); signedIn.Status == http.StatusCreated {
			t.Errorf("%s: there is an account now", what)
		}
	}
	taken := do(t, visitor, http.MethodPost, "/v1/users", map[string]string{"email": "SELLER@mall.local", "password": shop.Password})
	if wrong := refusal(taken, http.StatusConflict); wrong != "" || taken.Code() != "email_taken" {
		t.Errorf("an email in other letters: %s %s", taken, wrong)
	}
	unknown := do(t, visitor, http.MethodPost, "/v1/sessions", map[string]string{"email": "nobody@mall.local", "password": shop.Password})
	wrongPassword := do(t, visitor, http.MethodPost, "/v1/sessions", map[string]string{"email": "seller@mall.local", "password": "not this one"})
	if wrong := refusal(unknown, http.StatusUnauthorized); wrong != "" || !sameRefusal(unknown, wrongPassword) {
		t.Errorf("an unknown email: %s %s; a wrong password: %s", unknown, wrong, wrongPassword)
	}
}

// Words of an attacker are words: kept and shown as they are, or refused, and never executed.
func TestInjectionIsText(t *testing.T) {
	me := newMember(t)
	for _, text := range []string{"'; DROP TABLE products; --", "\" OR \"1\"=\"1", "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}", "%s%n%p", "../../../etc/passwd",
		"' UNION SELECT password_hash FROM users --", "\\", "\u202e\u0000x"[:len("\u202e")], "茶'茶", "a & b | c ! (d) :*", "<->", "\n\r\n"} {
		var p shop.Product
		a := do(t, seller, http.MethodPost, "/v1/products", map[string]any{"name": "X " + text, "description": text, "category": "injection", "price": 100, "stock": 1})
		switch a.Status {
		case http.StatusCreated:
			var shown struct{ Name, Description string }
			if err := a.Into(&p); err != nil {
				t.Fatal(err)
			}
			if err := visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products/"+p.ID, nil, &shown); err != nil || strings.TrimSpace(shown.Name) != strings.TrimSpace("X "+text) || shown.Description != text {
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
		if a := do(t, admin, http.MethodGet, "/v1/admin/users?email="+url.QueryEscape(text), nil); a.Status != http.StatusOK || !bytes.Contains(a.Body, []byte(`"items":[]`)) {
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
		if a := do(t, visitor, http.MethodPost, "/v1/sessions", map[string]string{"email": text, "password": text}); a.Status == http.StatusCreated {
			t.Errorf("signed in as %q", text)
		} else if wrong := refusal(a, append(refused, http.StatusUnauthorized)...); wrong != "" {
			t.Errorf("signing in as %q: %s", text, wrong)
		}
	}
}

// Two sellers' tabs: who changes what has changed since is told so; who does not say what was read must.
func TestStaleChangesAreRefused(t *testing.T) {
	p := product(t, "Versioned tea", 500, 1)
	path := "/v1/products/" + p.ID
	first := do(t, visitor, http.MethodGet, path, nil)
	if a := do(t, seller, http.MethodPatch, path, map[string]any{"price": 600}, "If-Match", first.Header.Get("Etag")); a.Status != http.StatusOK || a.Header.Get("Etag") == first.Header.Get("Etag") {
		t.Fatalf("a good change: %s, ETag %s", a, a.Header.Get("Etag"))
	}
	for what, c := range map[string]struct {
		headers []string
		status  int
	}{
		"stale":        {[]string{"If-Match", first.Header.Get("Etag")}, http.StatusPreconditionFailed},
		"of another":   {[]string{"If-Match", `"99"`}, http.StatusPreconditionFailed},
		"no ETag":      {[]string{"If-Match", "x"}, http.StatusPreconditionFailed},
		"a weak ETag":  {[]string{"If-Match", `W/"2"`}, http.StatusPreconditionFailed},
		"missing":      {nil, http.StatusPreconditionRequired},
		"empty":        {[]string{"If-Match", ""}, http.StatusPreconditionRequired},
		"an SQL thing": {[]string{"If-Match", `"2" OR 1=1`}, http.StatusPreconditionFailed},
	} {
		if wrong := refusal(do(t, seller, http.MethodPatch, path, map[string]any{"price": 700}, c.headers...), c.status); wrong != "" {
			t.Errorf("If-Match %s: %s", what, wrong)
		}
	}
	if now, err := visitor.Product(t.Context(), p.ID); err != nil || now.Price != 600 {
		t.Errorf("the product is %+v, %v, want the price of the one good change", now, err)
	}
}

// A card that cannot be charged is refused before anybody is asked, and the answer never repeats it.
func TestBadCards(t *testing.T) {
	mine, me := newStall(t)
	before := mine.belongings(t, me)
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
		a := do(t, me.Client, http.MethodPost, "/v1/payments", body, "Idempotency-Key", shop.Key())
		if wrong := refusal(a, http.StatusUnprocessableEntity); wrong != "" {
			t.Errorf("%s: %s", what, wrong)
		}
		if n := c["number"].(string); bytes.Contains(a.Body, []byte(n)) {
			t.Errorf("%s: the answer repeats the number", what)
		}
	}
	mine.unchanged(t, me, before)
}

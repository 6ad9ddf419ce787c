package api

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/ids/lease"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/worker"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
	"daprmall.dev/services/product/internal/inventory/inventorytest"
	"daprmall.dev/services/product/internal/picture"
	"daprmall.dev/services/product/internal/store"
)

// fixture is the service's HTTP side over a real database, as its sidecar sees it.
type fixture struct {
	t   *testing.T
	web http.Handler
	key ed25519.PrivateKey

	stock    *inventory.Service
	orders   *inventorytest.Orders
	pictures *folder
	perDay   int64 // pictures that a seller may upload
}

func open(t *testing.T) *fixture {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(
		t, lease.Migrations, idempotency.Migrations, outbox.Migrations, inbox.Migrations, store.Migrations,
	)
	source, err := lease.NewSource(t.Context(), db, log)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	verifier := identity.NewVerifier(func(context.Context) (identity.KeySet, error) {
		return identity.KeySet{
			Keys: []identity.Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k", X: base64.RawURLEncoding.EncodeToString(public)}},
		}, nil
	})
	s := server.New(config.Env{AppID: "product", AppAPIToken: "secret"}, log, verifier)
	gate, metrics := inventorytest.NewGate(), NewMetrics(prometheus.NewRegistry())
	out, in := outbox.New(db, "product", nil, log), inbox.New(db, nil, log)
	effects := idempotency.New(db, source, []byte("hmac"), log)
	st := store.New(db, out, func(items []inventory.Apply) { _ = gate.Apply(t.Context(), items) })
	stock := inventory.NewService(st, gate, func() time.Duration { return time.Minute }, metrics)
	products := catalog.NewService(st, stock, openToAll{}, effects, source, func() string { return "CNY" }, time.Now)
	imports := catalog.NewImporter(st, source, func() string { return "CNY" }, time.Now)
	go worker.Loop{Name: "imports", Log: log, Wake: imports.Wake(), Work: worker.Drain(imports.Step)}.Run(t.Context())
	orders := &inventorytest.Orders{Known: map[string]bool{}}
	d := &fixture{t, s, private, stock, orders, &folder{files: map[string][]byte{}}, 100}
	uploads := catalog.NewUploads(products, st, d.pictures, picture.Convert, func() int64 { return d.perDay })
	Routes(s, in, out, effects, products, stock, imports, uploads,
		inventory.NewOperator(st, gate, orders, effects, log))
	return d
}

// get is a request of the gateway whose answer is no JSON.
func (d *fixture) get(path string) *httptest.ResponseRecorder {
	d.t.Helper()
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.Header.Set("dapr-api-token", "secret")
	req.Header.Set("dapr-caller-app-id", "api-gateway")
	rec := httptest.NewRecorder()
	d.web.ServeHTTP(rec, req)
	return rec
}

func (d *fixture) token(id string, roles ...string) string {
	now := time.Now()
	tok := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{
		Roles: roles, Session: "s", Type: identity.AccessType, IssuedMS: now.UnixMilli(),
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: identity.Issuer, Audience: jwt.ClaimStrings{identity.Audience}, Subject: id,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)),
		},
	})
	tok.Header["kid"] = "k"
	s, err := tok.SignedString(d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

// ask sends a request from an app; headers are pairs.
func (d *fixture) ask(app, method, path, body string, headers ...string) answer {
	d.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("dapr-api-token", "secret")
	if app != "" {
		req.Header.Set("dapr-caller-app-id", app)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	d.web.ServeHTTP(rec, req)
	a := answer{status: rec.Code, header: rec.Header()}
	if raw, _ := io.ReadAll(rec.Body); len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			d.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
	return a
}

func (d *fixture) offer(stock string, headers ...string) answer {
	d.t.Helper()
	headers = append(headers, "Authorization", "Bearer "+d.token("5", "seller"))
	body := `{"name":"Teapot","description":"Holds a litre.","price":12900,"stock":` + stock + `}`
	return d.ask("api-gateway", "POST", "/v1/products", body, headers...)
}

func TestAProductFromCreationToRemoval(t *testing.T) {
	d := open(t)
	made := d.offer("10")
	id, _ := made.body["id"].(string)
	if made.status != 201 || made.header.Get("ETag") != `"1"` || made.header.Get("Location") != "/v1/products/"+id ||
		made.body["available"] != 10.0 || fmt.Sprint(made.body["pictures"]) != "[]" ||
		made.body["seller_id"] != "5" {
		t.Fatalf("offer: %+v", made)
	}
	seller, other := "Bearer "+d.token("5", "seller"), "Bearer "+d.token("6", "seller")
	admin := "Bearer " + d.token("9", "admin")
	for _, c := range []struct {
		what, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"read", "GET", "", "", nil, 200, ""},
		{"read again", "GET", "", "", []string{"If-None-Match", `W/"1"`}, 304, ""},
		{"read with an old tag", "GET", "", "", []string{"If-None-Match", `"0"`}, 200, ""},
		{"change signed out", "PATCH", "", `{"price":1}`, []string{"If-Match", `"1"`}, 401, "unauthenticated"},
		{"change without If-Match", "PATCH", "", `{"price":1}`,
			[]string{"Authorization", seller}, 428, "precondition_required"},
		{"change another seller's", "PATCH", "", `{"price":1}`,
			[]string{"Authorization", other, "If-Match", `"1"`}, 404, "not_found"},
		{"change with a bare number", "PATCH", "", `{"price":1}`,
			[]string{"Authorization", seller, "If-Match", `1`}, 412, "precondition_failed"},
		{"change to an unknown field", "PATCH", "", `{"stock":1}`,
			[]string{"Authorization", seller, "If-Match", `"1"`}, 422, "validation_failed"},
		{"change to null", "PATCH", "", `{"name":null}`,
			[]string{"Authorization", seller, "If-Match", `"1"`}, 422, "validation_failed"},
		{"change nothing", "PATCH", "", `{}`, []string{"Authorization", seller, "If-Match", `"1"`}, 422, "validation_failed"},
		{"change", "PATCH", "", `{"price":9900}`, []string{"Authorization", admin, "If-Match", `"1"`}, 200, ""},
		{"change an older version", "PATCH", "", `{"price":1}`,
			[]string{"Authorization", seller, "If-Match", `"1"`}, 412, "precondition_failed"},
		{"change the maximum to none", "PATCH", "", `{"max_per_order":null}`,
			[]string{"Authorization", seller, "If-Match", `"2"`}, 200, ""},
		{"change the maximum to a text", "PATCH", "", `{"max_per_order":"2"}`,
			[]string{"Authorization", seller, "If-Match", `"3"`}, 422, "validation_failed"},
		{"change the maximum", "PATCH", "", `{"max_per_order":2}`,
			[]string{"Authorization", seller, "If-Match", `"3"`}, 200, ""},
		{"take too much out", "POST", "/stock", `{"delta":-11,"reason":"count"}`,
			[]string{"Authorization", seller}, 409, "insufficient_stock"},
		{"take a fraction out", "POST", "/stock", `{"delta":-0.5,"reason":"count"}`,
			[]string{"Authorization", seller}, 422, "validation_failed"},
		{"take out without a reason", "POST", "/stock", `{"delta":-1}`,
			[]string{"Authorization", seller}, 422, "validation_failed"},
		{"take out of another seller's", "POST", "/stock", `{"delta":-1,"reason":"theft"}`,
			[]string{"Authorization", other}, 404, "not_found"},
		{"take", "POST", "/stock", `{"delta":-4,"reason":"count"}`, []string{"Authorization", seller}, 200, ""},
		{"remove another seller's", "DELETE", "", "", []string{"Authorization", other}, 404, "not_found"},
		{"remove", "DELETE", "", "", []string{"Authorization", seller}, 204, ""},
		{"read a removed product", "GET", "", "", nil, 404, "not_found"},
	} {
		got := d.ask("api-gateway", c.method, "/v1/products/"+id+c.path, c.body, c.headers...)
		code, _ := got.body["code"].(string)
		if got.status != c.status || code != c.code {
			t.Errorf("%s: %d %v, want %d %s", c.what, got.status, got.body, c.status, c.code)
		}
		if most := got.body["max_per_order"]; c.what == "change the maximum" && most != 2.0 ||
			c.what == "change the maximum to none" && most != nil {
			t.Errorf("%s: %v", c.what, got.body)
		}
		if c.what == "take" && (got.body["on_hand"] != 6.0 || got.body["reserved"] != 0.0 || got.body["available"] != 6.0) {
			t.Errorf("take out: %v", got.body)
		}
	}
}

func TestOneKeyCreatesOneProduct(t *testing.T) {
	d := open(t)
	first, again := d.offer("1", "Idempotency-Key", "a"), d.offer("1", "Idempotency-Key", "a")
	if again.status != 201 || again.body["id"] != first.body["id"] || again.header.Get("Idempotent-Replayed") != "true" ||
		again.header.Get("ETag") != `"1"` {
		t.Errorf("the same again: %+v, first %+v", again, first)
	}
	if other := d.offer("2", "Idempotency-Key", "a"); other.status != 422 ||
		other.body["code"] != "idempotency_key_reused" {
		t.Errorf("another product under the key: %+v", other)
	}
	if list := d.ask("api-gateway", "GET", "/v1/products", ""); list.body["total"] != 1.0 {
		t.Errorf("there are %v products, want 1", list.body["total"])
	}
}

func TestPageTokensBelongToTheirList(t *testing.T) {
	d := open(t)
	for range 3 {
		d.offer("1")
	}
	first := d.ask("api-gateway", "GET", "/v1/products?page_size=2&q=teapot", "")
	token, _ := first.body["next_page_token"].(string)
	if items := first.body["items"].([]any); len(items) != 2 || token == "" || first.body["total"] != 3.0 {
		t.Fatalf("first page: %+v", first)
	}
	second := d.ask("api-gateway", "GET", "/v1/products?page_size=5&q=teapot&page_token="+token, "")
	if items := second.body["items"].([]any); len(items) != 1 || second.body["next_page_token"] != nil {
		t.Errorf("second page: %+v", second)
	}
	for _, query := range []string{"q=kettle&page_token=" + token, "page_token=" + token, "q=teapot&page_token=x",
		"q=teapot&page_token=%0a" + token, "q=teapot&page_token=", "q=teapot&sort=price&page_token=" + token,
		"page_size=0", "page_size=101", "page_size=a", "min_price=-1", "min_price=1.505", "min_price=-1.50", "max_price=",
		"max_price=1,50", "max_price=.5", "max_price=1.",
		"sort=best", "sort=", "unknown=1", "q=a&q=b", "q=%00", "q=%ff"} {
		if got := d.ask("api-gateway", "GET", "/v1/products?"+query, ""); got.status != 422 {
			t.Errorf("%s: %d %v, want 422", query, got.status, got.body)
		}
	}
}

func TestInternalRoutesAcceptOnlyTheirCallers(t *testing.T) {
	d := open(t)
	for path, callers := range map[string]string{
		"/internal/holds": "checkout", "/internal/holds/release": "checkout",
		"/internal/products/get": "cart checkout", "/v1/products": "api-gateway",
	} {
		for _, app := range []string{"", "api-gateway", "cart", "checkout", "order", "payment"} {
			got := d.ask(app, "POST", path, "{}")
			if may := app != "" && strings.Contains(callers, app); may == (got.body["code"] == "caller_not_allowed") {
				t.Errorf("%q calls %s: %d %v", app, path, got.status, got.body)
			}
		}
	}
	if got := d.ask("checkout", "POST", "/events", "{}"); got.status != 403 {
		t.Errorf("another service delivers an event: %+v", got)
	}
}

func TestHoldsAreCheckedAndAnswered(t *testing.T) {
	d := open(t)
	id := d.offer("2").body["id"].(string)
	for _, c := range []struct{ body, status string }{
		{`{"order_id":"1","lines":[{"product_id":"` + id + `","quantity":2}]}`, "held"},
		{`{"order_id":"1","lines":[{"product_id":"` + id + `","quantity":2}]}`, "held"},
		{`{"order_id":"2","lines":[{"product_id":"` + id + `","quantity":1}]}`, "sold_out"},
		{`{"order_id":"3","lines":[{"product_id":"4","quantity":1}]}`, "unavailable"},
		{`{"order_id":"3","lines":[{"product_id":"` + id + `","quantity":0}]}`, ""},
		{`{"order_id":"3","lines":[{"product_id":"` + id + `","quantity":1000}]}`, ""},
		{`{"order_id":"x","lines":[{"product_id":"` + id + `","quantity":1}]}`, ""},
		{`{"order_id":"3","lines":[]}`, ""},
		{`{"order_id":"3","lines":[{"product_id":"` + id + `","quantity":1,"price":1}]}`, ""},
	} {
		got := d.ask("checkout", "POST", "/internal/holds", c.body)
		if c.status == "" {
			if got.status != 422 {
				t.Errorf("%s: %+v, want 422", c.body, got)
			}
			continue
		}
		if got.status != 200 || got.body["status"] != c.status {
			t.Errorf("%s: %+v, want %s", c.body, got, c.status)
		}
	}
	event := `{"specversion":"1.0","id":"e1","source":"order","type":"mall.order.placed.v1","subject":"1",` +
		`"data":{"order_id":"1","lines":[{"product_id":"` + id + `","quantity":2}]}}`
	for range 2 {
		if got := d.ask("", "POST", "/events", event); got.status != 200 {
			t.Errorf("event: %+v", got)
		}
	}
	got := d.ask("cart", "POST", "/internal/products/get", `{"ids":["`+id+`","4"]}`)
	if found := got.body["products"].([]any); len(found) != 1 || found[0].(map[string]any)["available"] != 0.0 {
		t.Errorf("products: %+v", got)
	}
	if got := d.ask("checkout", "POST", "/internal/holds/release", `{"order_id":"1"}`); got.status != 204 {
		t.Errorf("release: %+v", got)
	}
}

// Stock that is not tracked needs no number, and shows none; switching is a change like another.
func TestStockNeedNotBeTracked(t *testing.T) {
	d := open(t)
	bearer := "Bearer " + d.token("5", "seller")
	post := func(body string) answer {
		return d.ask("api-gateway", "POST", "/v1/products", body, "Authorization", bearer)
	}
	if got := post(`{"name":"Licence","description":"","price":0}`); got.status != 422 {
		t.Errorf("without stock: %+v", got)
	}
	if got := post(`{"name":"Licence","description":"","price":0,"stock_tracked":true}`); got.status != 422 {
		t.Errorf("tracked without stock: %+v", got)
	}
	made := post(`{"name":"Licence","description":"","price":0,"stock_tracked":false}`)
	id, _ := made.body["id"].(string)
	available, shown := made.body["available"]
	if made.status != 201 || !shown || available != nil || made.body["stock_tracked"] != false {
		t.Fatalf("untracked: %+v", made)
	}
	stock := func() answer {
		return d.ask("api-gateway", "POST", "/v1/products/"+id+"/stock", `{"delta":5,"reason":"delivery"}`, "Authorization",
			bearer)
	}
	if got := stock(); got.status != 409 || got.body["code"] != "stock_not_tracked" {
		t.Errorf("adjust: %+v", got)
	}
	got := d.ask("cart", "POST", "/internal/products/get", `{"ids":["`+id+`"]}`)
	if p := got.body["products"].([]any)[0].(map[string]any); p["untracked"] != true || p["available"] != 1e9 {
		t.Errorf("for cart: %+v", got)
	}
	got = d.ask("api-gateway", "PATCH", "/v1/products/"+id, `{"stock_tracked":true}`, "Authorization", bearer, "If-Match",
		`"1"`)
	if got.status != 200 || got.body["available"] != 0.0 || got.body["stock_tracked"] != true {
		t.Errorf("tracked: %+v", got)
	}
	if got := stock(); got.status != 200 || got.body["available"] != 5.0 {
		t.Errorf("adjust what is tracked: %+v", got)
	}
}

func TestCategoriesArePaged(t *testing.T) {
	d := open(t)
	bearer := "Bearer " + d.token("5", "seller")
	for _, category := range []string{"Home > Kitchen", "home/garden", "Tea"} {
		made := d.ask("api-gateway", "POST", "/v1/products",
			`{"name":"x","description":"","price":1,"stock":1,"category":"`+category+`"}`, "Authorization", bearer)
		if made.status != 201 || strings.Contains(made.body["category"].(string), ">") {
			t.Fatalf("%+v", made)
		}
	}
	var paths []any
	for token, pages := "", 0; pages < 3; pages++ {
		got := d.ask("api-gateway", "GET", "/v1/categories?page_size=2"+token, "")
		for _, item := range got.body["items"].([]any) {
			c := item.(map[string]any)
			paths = append(paths, c["path"], c["name"], c["products"])
		}
		next, more := got.body["next_page_token"].(string)
		if more != (pages == 0) {
			t.Errorf("page %d: %+v", pages, got)
		}
		if token = "&page_token=" + next; !more {
			break
		}
	}
	if want := "[Home Home 2 Home/garden garden 1 Home/Kitchen Kitchen 1 Tea Tea 1]"; fmt.Sprint(paths) != want {
		t.Errorf("%v, want %s", paths, want)
	}
	for _, query := range []string{"page_size=0", "page_token=", "page_token=x", "page_token=AAAA", "q=tea",
		"page_token=eyJjIjoiaG9tZSJ9"} {
		if got := d.ask("api-gateway", "GET", "/v1/categories?"+query, ""); got.status != 422 {
			t.Errorf("%s: %+v, want 422", query, got)
		}
	}
}

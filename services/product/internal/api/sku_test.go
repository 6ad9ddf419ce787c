package api

import (
	"encoding/base64"
	"testing"
)

func (d *fixture) bySKU(method, sku, body string, headers ...string) answer {
	d.t.Helper()
	return d.ask("api-gateway", method, "/v1/products/by-sku/"+base64.RawURLEncoding.EncodeToString([]byte(sku)), body,
		headers...)
}

func TestAProductBySKU(t *testing.T) {
	d := open(t)
	seller, other := "Bearer "+d.token("5", "seller"), "Bearer "+d.token("6", "seller")
	const sku = `茶/壶 "1" 100%`
	for _, c := range []struct {
		what, method, sku, body string
		headers                 []string
		status                  int
		code, tag               string
	}{
		{"read none", "GET", sku, "", []string{"Authorization", seller}, 404, "not_found", ""},
		{"If-Match on none", "PUT", sku, `{"name":"Teapot","description":"","price":"1.00"}`,
			[]string{"Authorization", seller, "If-Match", `"1"`}, 412, "precondition_failed", ""},
		{"create", "PUT", sku, `{"name":"Teapot","description":"","price":"1.00","stock":4}`,
			[]string{"Authorization", seller}, 201, "", `"1"`},
		{"the same", "PUT", sku, `{"name":"Teapot","description":"","price":100,"stock":9}`,
			[]string{"Authorization", seller}, 200, "", `"1"`},
		{"read", "GET", sku, "", []string{"Authorization", seller}, 200, "", `"1"`},
		{"read with spaces around it", "GET", " " + sku + " ", "", []string{"Authorization", seller}, 200, "", `"1"`},
		{"read another seller's", "GET", sku, "", []string{"Authorization", other}, 404, "not_found", ""},
		{"replace", "PUT", sku, `{"name":"Kettle","description":"","price":200,"stock":9}`,
			[]string{"Authorization", seller, "If-Match", `"1"`}, 200, "", `"2"`},
		{"replace an older version", "PUT", sku, `{"name":"Pot","description":"","price":200}`,
			[]string{"Authorization", seller, "If-Match", `"1"`}, 412, "precondition_failed", ""},
		{"no name", "PUT", sku, `{"description":"","price":200}`, []string{"Authorization", seller}, 422,
			"validation_failed", ""},
		{"another sku in the body", "PUT", sku, `{"sku":"x","name":"Pot","description":"","price":200}`,
			[]string{"Authorization", seller}, 422, "validation_failed", ""},
		{"a customer", "PUT", sku, `{"name":"Pot","description":"","price":200}`,
			[]string{"Authorization", "Bearer " + d.token("7")}, 403, "forbidden", ""},
	} {
		got := d.bySKU(c.method, c.sku, c.body, c.headers...)
		code, _ := got.body["code"].(string)
		if got.status != c.status || code != c.code || got.header.Get("ETag") != c.tag {
			t.Errorf("%s: %d %v, ETag %s; want %d %s, %s", c.what, got.status, got.body, got.header.Get("ETag"), c.status,
				c.code, c.tag)
		}
		if got.status < 300 && (got.body["sku"] != sku || got.body["available"] != 4.0) {
			t.Errorf("%s: %v", c.what, got.body)
		}
	}
	post := d.ask("api-gateway", "POST", "/v1/products",
		`{"sku":"T-9","name":"Teapot","description":"","price":1,"stock":1}`, "Authorization", seller)
	if post.status != 201 || post.body["sku"] != "T-9" {
		t.Errorf("created with a sku: %+v", post)
	}
	twice := d.ask("api-gateway", "POST", "/v1/products",
		`{"sku":"T-9","name":"Teapot","description":"","price":1,"stock":1}`, "Authorization", seller)
	if twice.status != 409 || twice.body["code"] != "sku_taken" {
		t.Errorf("created twice: %+v", twice)
	}
	list := d.ask("api-gateway", "GET", "/v1/admin/products?sku=T-9&seller_id=5", "", "Authorization",
		"Bearer "+d.token("9", "admin"))
	if items, _ := list.body["items"].([]any); len(items) != 1 {
		t.Errorf("an admin finds %+v", list)
	}
}

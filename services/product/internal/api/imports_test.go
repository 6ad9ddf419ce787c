package api

import (
	"fmt"
	"strings"
	"testing"
)

func (d *fixture) importFile(media, query, body string) answer {
	d.t.Helper()
	return d.ask("api-gateway", "POST", "/v1/products/import"+query, body, "Content-Type", media, "Authorization",
		"Bearer "+d.token("5", "seller"))
}

// outcomes are the rows of a report in words.
func outcomes(a answer) string {
	var all []string
	items, _ := a.body["items"].([]any)
	for _, item := range items {
		r := item.(map[string]any)
		s := fmt.Sprintf("%v %v %v", r["line"], r["sku"], r["outcome"])
		for _, e := range asList(r["errors"]) {
			f := e.(map[string]any)
			s += fmt.Sprintf(" %v: %v", f["field"], f["message"])
		}
		all = append(all, s)
	}
	return strings.Join(all, "\n")
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

func TestAFileOfProductsIsImported(t *testing.T) {
	d := open(t)
	const lines = `{"sku":"A","name":"Tea","description":"Green","price":"9.99","stock":5,"image_url":"/tea pot.jpg"}
{"sku":"B","name":"Cup","price":250,"category":"kitchen","max_per_order":2}

{"sku":"C","name":"Pot","price":9.99}
{"sku":"D","name":"","price":1}
{"sku":"A","name":"Twice","price":1}
{"name":"None","price":1}
{"sku":"E","colour":"red"}
{"sku":"F","name":"No price"}
[1]
`
	const want = `1 A created
2 B created
4 C refused price: must be a whole number of minor units, like 1299, or a text with decimals, like "12.99"
5 D refused name: must not be empty
6 A refused sku: is that of line 1 too
7  refused sku: must not be empty: without it a second import would make a second product
8  refused colour: is not known
9 F refused price: is required
10  refused : The line must be a JSON object.`
	dry := d.importFile("application/jsonl", "?dry_run=true", lines)
	if dry.status != 202 || outcomes(dry) != want || dry.body["status"] != "finished" || dry.body["dry_run"] != true {
		t.Errorf("a dry run: %d %v\n%s", dry.status, dry.body, outcomes(dry))
	}
	if list := d.ask("api-gateway", "GET", "/v1/products", ""); list.body["total"] != 0.0 {
		t.Errorf("a dry run made %v products", list.body["total"])
	}
	got := d.importFile("application/x-ndjson", "?dry_run=false", lines)
	if got.status != 202 || outcomes(got) != want ||
		fmt.Sprint(got.body["totals"]) != "map[created:2 refused:7 rows:9 unchanged:0 updated:0]" {
		t.Errorf("%d %v\n%s", got.status, got.body, outcomes(got))
	}
	tea := d.bySKU("GET", "A", "", "Authorization", "Bearer "+d.token("5", "seller"))
	if tea.body["price"] != 999.0 || tea.body["available"] != 5.0 || tea.body["image_url"] != "/tea%20pot.jpg" {
		t.Errorf("tea: %+v", tea)
	}
	first := asList(got.body["items"])[0].(map[string]any)
	if first["product_id"] != tea.body["id"] {
		t.Errorf("the report names %v, the product is %v", first["product_id"], tea.body["id"])
	}
	again := d.importFile("application/jsonl", "", strings.Join(strings.SplitAfter(lines, "\n")[:2], ""))
	if outcomes(again) != "1 A unchanged\n2 B unchanged" {
		t.Errorf("the same again:\n%s", outcomes(again))
	}

	report, seller := got.header.Get("Location"), "Bearer "+d.token("5", "seller")
	page := d.ask("api-gateway", "GET", report+"?outcome=refused&page_size=5", "", "Authorization", seller)
	token, _ := page.body["next_page_token"].(string)
	rest := d.ask("api-gateway", "GET", report+"?outcome=refused&page_size=5&page_token="+token, "", "Authorization",
		seller)
	if outcomes(page)+"\n"+outcomes(rest) != strings.Join(strings.Split(want, "\n")[2:], "\n") ||
		rest.body["next_page_token"] != nil {
		t.Errorf("the refused rows, page by page:\n%s\n%s", outcomes(page), outcomes(rest))
	}
	for path, status := range map[string]int{report + "?outcome=lost": 422, report + "?page_token=x": 422,
		report + "?x=1": 422, report + "1": 404} {
		if got := d.ask("api-gateway", "GET", path, "", "Authorization", seller); got.status != status {
			t.Errorf("%s: %+v, want %d", path, got, status)
		}
	}
	if got := d.ask("api-gateway", "GET", report, "", "Authorization",
		"Bearer "+d.token("6", "seller")); got.status != 404 {
		t.Errorf("another seller reads the report: %+v", got)
	}
}

func TestACSVFileIsImported(t *testing.T) {
	d := open(t)
	got := d.importFile("text/csv; charset=utf-8", "", "\ufeffSKU;Name;Regular price;Stock;Images;Weight (kg)\r\n"+
		"W-1;Tea;9.99;3;https://shop.example/ü.jpg;1\r\nW-2;Cup;1.234,50;3;;\r\nW-3;Pot;;3;;\r\n")
	const want = `2 W-1 created
3 W-2 refused price: must be an amount of CNY like 12.99
4 W-3 refused price: is required`
	if outcomes(got) != want || got.body["format"] != "woocommerce" ||
		fmt.Sprint(got.body["ignored_columns"]) != "[Weight (kg)]" {
		t.Errorf("%d %v\n%s", got.status, got.body, outcomes(got))
	}
	for what, c := range map[string]struct {
		media, query, body string
		status             int
		says               string
	}{
		"another header": {"text/csv", "", "a,b\n1,2\n", 422, "neither Shopify's"},
		"no rows":        {"text/csv", "", "SKU,Name,Regular price\n", 422, "has no products"},
		"nothing":        {"text/csv", "", "", 422, "is empty"},
		"nothing, whose type was lost on the way": {"", "", "", 422, "is empty"},
		"no lines":         {"application/jsonl", "", "\n\n", 422, "has no products"},
		"another type":     {"application/json", "", "{}", 422, "must be text/csv"},
		"another charset":  {"text/csv; charset=latin1", "", "SKU,Name\n", 422, "must be text/csv"},
		"an unclear query": {"text/csv", "?dry_run=1", "SKU,Name\n", 422, "true or false"},
		"too large":        {"application/jsonl", "", strings.Repeat(strings.Repeat(" ", 1<<16)+"\n", 257), 413, "16 MiB"},
		"too many rows": {"application/jsonl", "", strings.Repeat(`{"sku":"A"}`+"\n", 20_001), 413,
			"more than 20000 products"},
	} {
		got := d.importFile(c.media, c.query, c.body)
		if got.status != c.status || !strings.Contains(fmt.Sprint(got.body), c.says) {
			t.Errorf("%s: %d %v, want %d %s", what, got.status, got.body, c.status, c.says)
		}
	}
	customer := d.ask("api-gateway", "POST", "/v1/products/import", "SKU,Name,Regular price\n1,A,1\n", "Content-Type",
		"text/csv", "Authorization", "Bearer "+d.token("7"))
	if customer.status != 403 {
		t.Errorf("a customer imports: %+v", customer)
	}
}

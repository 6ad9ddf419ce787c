package api

import (
	"fmt"
	"strings"
	"testing"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/web"
)

func TestPricesComeAsNumbersOrTexts(t *testing.T) {
	for body, want := range map[string]struct {
		amount int64
		text   string
	}{`{"price":1299}`: {1299, ""}, `{"price":0}`: {0, ""}, `{"price":-5}`: {-5, ""}, `{"price":"12.99"}`: {0, "12.99"}} {
		var in struct {
			Price *money.Sent `json:"price"`
		}
		if err := web.Decode([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		if amount, text, err := readPrice(in.Price); err != nil || *amount != want.amount || text != want.text {
			t.Errorf("%s: %v %q, %v", body, amount, text, err)
		}
	}
	for _, body := range []string{`{"price":9.99}`, `{"price":1e3}`, `{"price":true}`, `{"price":""}`, `{"price":[1]}`,
		`{"price":{"amount":1}}`, `{"price":99999999999999999999}`} {
		var in struct {
			Price *money.Sent `json:"price"`
		}
		if err := web.Decode([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readPrice(in.Price); err == nil || !strings.Contains(err.Error(), `"12.99"`) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if amount, text, err := readPrice(nil); amount != nil || text != "" || err != nil {
		t.Errorf("no price: %v %q, %v", amount, text, err)
	}
}

func TestPricesOfAQueryMayHaveDecimals(t *testing.T) {
	d := open(t)
	d.offer("1") // for 129.00
	for query, want := range map[string]float64{"min_price=12900": 1, "min_price=12901": 0, "max_price=12899": 0,
		"min_price=129.00": 1, "min_price=129.01": 0, "max_price=129.0&min_price=128.99": 1, "max_price=128.99": 0,
		"min_price=129": 1} {
		if got := d.ask("api-gateway", "GET", "/v1/products?"+query, ""); got.body["total"] != want {
			t.Errorf("%s: %d %v, want %v products", query, got.status, got.body, want)
		}
	}
	if got := d.ask("api-gateway", "GET", "/v1/products?min_price=9,99", ""); got.status != 422 ||
		!strings.Contains(fmt.Sprint(got.body), "with decimals, like 12.99") {
		t.Errorf("a comma: %+v", got)
	}
}

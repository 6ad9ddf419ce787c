package clients

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/web"
)

// An order service of an earlier version refuses the image of a line: the order is placed without it. Any other refusal
// is final.
func TestAnEarlierOrderServiceGetsNoImages(t *testing.T) {
	type line struct {
		ProductID string `json:"product_id"`
		SellerID  string `json:"seller_id"`
		Name      string `json:"name"`
		Price     int64  `json:"price"`
		Quantity  int64  `json:"quantity"`
	}
	calls := 0
	earlier := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var in struct {
			OrderID  string         `json:"order_id"`
			Address  map[string]any `json:"address"`
			Lines    []line         `json:"lines"`
			Shipping int64          `json:"shipping"`
			Currency string         `json:"currency"`
			FromCart bool           `json:"from_cart"`
		}
		err = web.Decode(body, &in)
		if err == nil && in.Currency == "" {
			err = problem.Validation(problem.Field{Field: "currency", Message: "is missing"})
		}
		if err != nil {
			doc, _ := problem.Describe(err, "")
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(doc.Status)
			_ = json.NewEncoder(w).Encode(doc)
			return
		}
		_, _ = io.WriteString(w, `{"id":"`+in.OrderID+`","lines":`+strconv.Itoa(len(in.Lines))+`}`)
	})
	daprd := httptest.NewServer(earlier)
	t.Cleanup(daprd.Close)
	at, err := url.Parse(daprd.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	dapr, err := sidecar.New(config.Env{AppID: "checkout", DaprHTTPPort: port, DaprGRPCPort: 1})
	if err != nil {
		t.Fatal(err)
	}
	lines := []checkout.Line{{ProductID: "501", SellerID: "5", Name: "Teapot", Price: 1, Quantity: 1, ImageURL: "/1.svg"},
		{ProductID: "502", SellerID: "5", Name: "Cup", Price: 1, Quantity: 1, ImageURL: "/2.svg"}}
	record := checkout.Record{OrderID: "7001"}
	placed, err := New(dapr).Place(t.Context(), record, lines, checkout.Totals{Currency: "CNY"}, 0)
	if err != nil || string(placed) != `{"id":"7001","lines":2}` || calls != 2 {
		t.Errorf("placed %s by %d calls, %v; want the order by 2", placed, calls, err)
	}
	calls, lines[0].ImageURL, lines[1].ImageURL = 0, "", ""
	_, err = New(dapr).Place(t.Context(), record, lines, checkout.Totals{}, 0)
	if problem.KindOf(err) != problem.Invalid || calls != 1 {
		t.Errorf("refused with %v after %d calls, want after the first", err, calls)
	}
}

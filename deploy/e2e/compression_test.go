//go:build e2e

package e2e

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"daprmall.dev/deploy/internal/apiclient"
)

// longList makes a hundred products with the longest descriptions and returns the path of their list.
func longList(t *testing.T) (target string) {
	t.Helper()
	category := "long-" + apiclient.Key()
	body := map[string]any{"name": "Long tea", "description": strings.Repeat("A long story. ", 714), "category": category,
		"price": 100, "stock": 1}
	for _, a := range together(t, 100, func(int) (apiclient.Answer, error) {
		return seller.Do(t.Context(), http.MethodPost, "/v1/products", body)
	}) {
		if a.Status != http.StatusCreated {
			t.Fatal(a)
		}
	}
	return "/v1/products?page_size=100&category=" + category
}

// Lists are short and compressed, so readers who ask for the largest ones and read nothing cost little memory.
func TestReadersOfLongListsCostLittleMemory(t *testing.T) {
	target := longList(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, visitor.Base+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "zstd")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read
	unpacked, err := zstd.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	defer unpacked.Close()
	text, err := io.ReadAll(unpacked)
	if err != nil || res.Header.Get("Content-Encoding") != "zstd" || strings.Count(string(text), "Long tea") != 100 {
		t.Fatalf("%v, %d bytes, %v", res.Header, len(text), err)
	}
	if len(text) > 100<<10 || res.ContentLength > 10<<10 {
		t.Errorf("a list of %d bytes, %d compressed", len(text), res.ContentLength)
	}
	const memory, most = "process_resident_memory_bytes", 64 << 20
	apps := []string{"product", "api-gateway"}
	before := map[string]float64{}
	for _, app := range apps {
		before[app] = metric(t, app, memory)
	}
	done := metric(t, "product", "mall_http_request_seconds_count")
	for range 20 {
		requestInText(t, target)
	}
	// A gateway stops reading requests of a connection whose answers nobody reads, so not all arrive.
	if err := eventually(t.Context(), waitFor, func() error {
		if n := metric(t, "product", "mall_http_request_seconds_count") - done; n < 20 {
			return errors.New("too few requests have ended")
		}
		if n := metric(t, "api-gateway", "mall_gateway_in_flight"); n > 1 {
			return errors.New("too few requests have ended")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	for _, app := range apps {
		grown := metric(t, app, memory) - before[app]
		t.Logf("%s: %.0f MB more", app, grown/(1<<20))
		if grown > most {
			t.Errorf("%s takes %.0f MB more", app, grown/(1<<20))
		}
	}
}

package edge_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// decode reads a body in the coding of its header.
func decode(t *testing.T, coding string, body io.Reader) string {
	t.Helper()
	var err error
	switch coding {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "br":
		body = brotli.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	return string(text)
}

// An answer comes in the coding that the client likes best, with headers that fit it.
func TestAnswersAreCompressed(t *testing.T) {
	long := `{"items":"` + strings.Repeat("teapot ", 1000) + `"}`
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("ETag", `"3"`)
			if r.URL.RawQuery == "short" {
				_, _ = io.WriteString(w, `{"items":[]}`)
				return
			}
			_, _ = io.WriteString(w, long)
		}
	})
	plain := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	type reply struct {
		*http.Response
		raw []byte
	}
	ask := func(method, path, accept string) reply {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, m.front.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if accept != "" {
			req.Header.Set("Accept-Encoding", accept)
		}
		res, err := plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // read
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return reply{res, raw}
	}
	for accept, want := range map[string]string{"": "", "identity": "", "deflate": "", "gzip;q=0": "", "gzip;q=x": "",
		"gzip": "gzip", "GZIP, deflate": "gzip", "br;q=1, gzip;q=0.5": "br", "gzip, deflate, br, zstd": "zstd",
		"zstd;q=0.1, gzip;q=0.9": "gzip", "*": "zstd", "*;q=0.5, zstd;q=0": "br", "gzip, *;q=0": "gzip"} {
		res := ask(http.MethodGet, "/v1/products", accept)
		raw := res.raw
		if int64(len(raw)) != res.ContentLength || (want != "") != (len(raw) < len(long)) {
			t.Errorf("%q: %d bytes of %d", accept, len(raw), res.ContentLength)
		}
		if got := res.Header.Get("Content-Encoding"); got != want || decode(t, got, bytes.NewReader(raw)) != long {
			t.Errorf("%q: coding %q, want %q", accept, got, want)
		}
		if res.Header.Get("Vary") != "Accept-Encoding" || res.Header.Get("ETag") != `"3"` {
			t.Errorf("%q: %v", accept, res.Header)
		}
		head := ask(http.MethodHead, "/v1/products", accept)
		if head.ContentLength != res.ContentLength || head.Header.Get("Content-Encoding") != want {
			t.Errorf("HEAD with %q: %d bytes in %q", accept, head.ContentLength, head.Header.Get("Content-Encoding"))
		}
	}
	if res := ask(http.MethodGet, "/v1/products?short", "gzip"); res.Header.Get("Content-Encoding") != "" ||
		res.Header.Get("Vary") != "" {
		t.Errorf("a short answer: %v", res.Header)
	}
	if res := ask(http.MethodGet, "/.well-known/jwks.json", "gzip"); res.Header.Get("Content-Encoding") != "" {
		t.Errorf("an answer of auth: %v", res.Header)
	}
}

// Encoders are shared by requests at the same time.
func TestManyAnswersAreCompressedAtOnce(t *testing.T) {
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, strings.Repeat(r.URL.RawQuery+" ", 500))
		}
	})
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			name, coding := fmt.Sprint("n", i), []string{"gzip", "br", "zstd"}[i%3]
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.front.URL+"/v1/products?"+name, nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Accept-Encoding", coding)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close() //nolint:errcheck // read
			if text := decode(t, res.Header.Get("Content-Encoding"), res.Body); text != strings.Repeat(name+" ", 500) {
				t.Errorf("%s in %s: %.30q", name, coding, text)
			}
		})
	}
	wg.Wait()
}

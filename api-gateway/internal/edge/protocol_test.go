package edge_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
)

// Every refusal is a problem document, also of requests so malformed that no handler sees them.
func TestMalformedRequestsGetProblemDocuments(t *testing.T) {
	m := open(t, nil)
	const host = "Host: mall\r\n"
	for what, r := range map[string]struct {
		sent   string
		status int
		code   string
	}{
		"a stray percent sign":   {"GET /v1/% HTTP/1.1\r\n" + host, 400, "bad_request"},
		"no host":                {"GET /v1/products HTTP/1.1\r\n", 400, "bad_request"},
		"not HTTP":               {"hello, is anybody there?\r\n", 400, "bad_request"},
		"a header without colon": {"GET / HTTP/1.1\r\n" + host + "nothing\r\n", 400, "bad_request"},
		"an unknown expectation": {"POST /v1/users HTTP/1.1\r\n" + host + "Expect: a miracle\r\nContent-Length: 0\r\n", 417,
			"expectation_failed"},
		"a long address": {"GET /v1/products?q=" + strings.Repeat("x", 9<<10) + " HTTP/1.1\r\n" + host, 414,
			"uri_too_long"},
		"large headers": {"GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 13<<10) + "\r\n", 431,
			"headers_too_large"},
		"many headers to pass on": {"GET /v1/products/1 HTTP/1.1\r\n" + host + strings.Repeat("If-None-Match: \"1\"\r\n",
			700), 431, "headers_too_large"},
		"headers without end": {"GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 2<<20) + "\r\n", 431,
			"headers_too_large"},
		"an unknown coding": {"POST /v1/users HTTP/1.1\r\n" + host + "Transfer-Encoding: rot13\r\n", 501,
			"not_implemented"},
		"another version": {"GET / HTTP/3.7\r\n" + host, 505, "http_version_not_supported"},
	} {
		conn := dial(t, strings.TrimPrefix(m.front.URL, "http://"))
		go func() { _, _ = io.WriteString(conn, r.sent+"\r\n") }()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		var doc problem.Document
		if err != nil || json.Unmarshal(body, &doc) != nil || doc.Status != res.StatusCode || len(doc.TraceID) != 32 {
			t.Errorf("%s: %d %q, %v, want a problem document", what, res.StatusCode, body, err)
		}
		if res.StatusCode != r.status || doc.Code != r.code || res.Header.Get("Content-Type") != problem.ContentType {
			t.Errorf("%s: %d %s as %q, want %d %s", what, res.StatusCode, doc.Code, res.Header.Get("Content-Type"), r.status,
				r.code)
		}
	}
	if len(m.seen) > 0 {
		t.Errorf("%d requests were forwarded", len(m.seen))
	}
}

// Only net/http's own text is replaced, never part of an answer. A product description may look like that text and be
// at the start of a write; replacing it would corrupt later answers on the connection.
func TestAnswersThatLookLikeRefusalsAreForwarded(t *testing.T) {
	refusal := "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad " +
		"Request"
	for _, period := range []string{"HTTP/1.1 417 ", refusal} {
		for shift := 0; shift < len(period); shift += 1 + len(period)/20 {
			said := strings.Repeat("x", shift) + strings.Repeat(period, (16<<10)/len(period))
			m := open(t, func(m *mall) {
				m.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, said) }
			})
			if res := m.do("GET", "/v1/products", ""); res.text != said {
				t.Fatalf("shifted by %d: %d bytes, want %d", shift, len(res.text), len(said))
			}
			m.front.Close()
		}
	}
}

// A request of exactly the largest size is forwarded unchanged.
func TestTheLargestAllowedRequestIsForwarded(t *testing.T) {
	m := open(t, nil)
	etags := `"` + strings.Repeat("x", 3<<10) + `"`
	query := "q=" + strings.Repeat("x", 7<<10)
	m.do("GET", "/v1/products?"+query, "", "If-None-Match: "+etags, "X-Other: "+strings.Repeat("x", 4<<10)).want(t,
		"large", 200, "")
	if len(m.seen) != 1 || m.seen[0].URL.RawQuery != query || m.seen[0].Header.Get("If-None-Match") != etags {
		t.Errorf("arrived: %v", m.seen)
	}
}

package edge_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
)

// openOrders is open with an order service that knows order 5 of user 7.
func openOrders(t *testing.T, changes func() []orderv1.OrderChange) *mall {
	t.Helper()
	return open(t, func(m *mall) {
		m.orders.History = func(ctx context.Context, id string) (orderv1.History, error) {
			u, _ := identity.From(ctx)
			if id != "5" || u.ID != "7" || identity.Token(ctx) == "" {
				return orderv1.History{}, problem.NewNotFound("order")
			}
			return orderv1.History{Next: "1", Items: []orderv1.Change{{Status: "awaiting_payment", At: time.UnixMicro(1000)}}},
				nil
		}
		m.orders.Changes = func(context.Context, string) (orderv1.Changes, error) {
			return orderv1.Changes{Next: "1", Items: changes()}, nil
		}
	})
}

func nothing() []orderv1.OrderChange { return nil }

// opened is a stream, and its lines.
type opened struct {
	*http.Response
	lines *bufio.Scanner
}

// events opens the stream of order 5.
func (m *mall) events(client *http.Client, headers ...string) opened {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, m.front.URL+"/v1/orders/5/events", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, h := range append([]string{"Authorization: Bearer " + m.token("customer")}, headers...) {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = res.Body.Close() })
	return opened{res, bufio.NewScanner(res.Body)}
}

// fields reads the lines of an event up to the empty one.
func fields(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	var event []string
	for lines.Scan() && lines.Text() != "" {
		event = append(event, lines.Text())
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	return strings.Join(event, "\n")
}

func TestAStreamOfAnOrder(t *testing.T) {
	h2 := new(http.Protocols)
	h2.SetUnencryptedHTTP2(true)
	for protocol, client := range map[string]*http.Client{"HTTP/1.1": {Transport: &http.Transport{}},
		"HTTP/2": {Transport: &http.Transport{Protocols: h2}}} {
		t.Run(protocol, func(t *testing.T) {
			var paid atomic.Bool
			m := openOrders(t, func() []orderv1.OrderChange {
				if !paid.Load() {
					return nil
				}
				return []orderv1.OrderChange{{OrderID: "5", Position: 1, Status: "paid", At: time.UnixMicro(2000).UTC()},
					{OrderID: "6", Position: 1, Status: "cancelled"},
					{OrderID: "5", Position: 2, Status: "refunded", At: time.UnixMicro(3000).UTC(), Reason: "money_returned"}}
			})
			res := m.events(client, "Accept: text/event-stream", "Accept-Encoding: gzip")
			lines := res.lines
			if res.Proto != protocol+".0" && res.Proto != protocol || res.Header.Get("Content-Type") != "text/event-stream" ||
				res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s %d %v", res.Proto, res.StatusCode, res.Header)
			}
			if retry := fields(t, lines); !strings.HasPrefix(retry, "retry: ") {
				t.Errorf("%q, want retry first", retry)
			}
			if first := fields(t, lines); !strings.HasPrefix(first, "id: 0-1000\ndata: {\"status\":\"awaiting_payment\"") {
				t.Errorf("%q, want the first state", first)
			}
			paid.Store(true)
			for _, want := range []string{
				"id: 1-2000\ndata: {\"status\":\"paid\",\"at\":\"1970-01-01T00:00:00.002Z\"}",
				"id: 2-3000\ndata: {\"status\":\"refunded\",\"at\":\"1970-01-01T00:00:00.003Z\",\"reason\":\"money_returned\"}",
			} {
				if got := fields(t, lines); got != want {
					t.Errorf("%q, want %q", got, want)
				}
			}
			if lines.Scan() {
				t.Errorf("%q after the last state", lines.Text())
			}
			m.idle()
			for m.hub.Streams() > 0 {
				if t.Context().Err() != nil {
					t.Fatal("the stream is still open")
				}
			}
		})
	}
}

func TestRefusalsOfAStream(t *testing.T) {
	m := openOrders(t, nothing)
	const path = "/v1/orders/5/events"
	m.do("GET", path, "").want(t, "nobody", 401, "unauthenticated")
	m.signed("GET", "/v1/orders/6/events", "").want(t, "of somebody else", 404, "not_found")
	m.signed("GET", "/v1/orders/05/events", "").want(t, "no id", 404, "not_found")
	for _, accept := range []string{"application/json", "text/event-stream;q=0", "text/html, image/*"} {
		m.signed("GET", path, "", "Accept: "+accept).want(t, accept, 406, "not_acceptable")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, m.front.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != 405 || res.Header.Get("Allow") != "GET" ||
		res.Header.Get("Content-Type") != problem.ContentType {
		t.Errorf("HEAD: %d %v", res.StatusCode, res.Header)
	}
	client := &http.Client{Transport: &http.Transport{}}
	for range 10 {
		if res := m.events(client, "Accept: text/event-stream;q=0.5, */*;q=0.1"); res.StatusCode != 200 {
			t.Errorf("%d, want a stream", res.StatusCode)
		}
	}
	m.signed("GET", path, "").want(t, "an eleventh stream", 429, "too_many_requests")
	if text := m.metrics(); !strings.Contains(text, `mall_gateway_limited_total{limit="streams"} 1`) {
		t.Error("the refusal is not counted")
	}
}

// A stream ends when its token does.
func TestAStreamEndsWithItsToken(t *testing.T) {
	m := openOrders(t, nothing)
	short := m.sign(jwt.SigningMethodEdDSA, m.keys.private, func(c *identity.Claims) {
		c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(2 * time.Second))
	})
	client := &http.Client{Transport: &http.Transport{}}
	lines := m.events(client, "Authorization: Bearer "+short).lines
	other := m.events(client).lines
	for lines.Scan() {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
	if lines.Err() != nil {
		t.Errorf("the stream was cut off: %v", lines.Err())
	}
	if m.hub.Streams() != 1 || !other.Scan() {
		t.Errorf("%d streams, want the other one", m.hub.Streams())
	}
}

// The metrics say how long a client waited for its stream to begin, not how long it lasted.
func TestAStreamCountsUntilItBegins(t *testing.T) {
	m := openOrders(t, nothing)
	client := &http.Client{Transport: &http.Transport{}}
	res := m.events(client)
	lines := res.lines
	fields(t, lines)
	fields(t, lines)
	<-time.After(600 * time.Millisecond)
	_ = res.Body.Close()
	for m.hub.Streams() > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the stream is still open")
		}
	}
	want := `mall_http_request_seconds_bucket{method="GET",route="/v1/orders/:id/events",status="200",le="0.5"} 1`
	for !strings.Contains(m.metrics(), `route="/v1/orders/:id/events"`) {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
	if !strings.Contains(m.metrics(), want) {
		t.Errorf("no %s in:\n%s", want, m.metrics())
	}
}

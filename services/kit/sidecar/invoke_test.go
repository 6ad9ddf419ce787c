package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
)

// open returns a client of a fake daprd that answers with h.
func open(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	daprd := httptest.NewServer(h)
	t.Cleanup(daprd.Close)
	return dial(t, port(t, daprd.URL), 1)
}

func dial(t *testing.T, httpPort, grpcPort int) *Client {
	t.Helper()
	c, err := New(config.Env{AppID: "checkout", DaprHTTPPort: httpPort, DaprGRPCPort: grpcPort, DaprAPIToken: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func port(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type thing struct {
	ID string `json:"id"`
}

func TestACallCarriesUserTraceAndTarget(t *testing.T) {
	var got *http.Request
	var body string
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, body = r, string(raw)
		_, _ = io.WriteString(w, `{"id":"7","more":true}`)
	})
	trace := telemetry.NewTrace()
	ctx := telemetry.WithTrace(identity.With(t.Context(), identity.User{ID: "1"}, "the.user's.token"), trace)
	var out thing
	err := c.Invoke(ctx, Request{App: "order", Method: http.MethodPost, Path: "/internal/orders?x=1", In: thing{"5"},
		Out: &out})
	if err != nil || out.ID != "7" {
		t.Fatalf("answer %+v, %v", out, err)
	}
	if got.Method != http.MethodPost || got.RequestURI != "/v1.0/invoke/order/method/internal/orders?x=1" ||
		body != `{"id":"5"}` || got.ContentLength != 10 {
		t.Errorf("%s %s %q, length %d", got.Method, got.RequestURI, body, got.ContentLength)
	}
	for name, want := range map[string]string{"Dapr-Api-Token": "secret", "Authorization": "Bearer the.user's.token",
		"Traceparent": trace.Header(), "Content-Type": "application/json"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if err := c.Invoke(ctx, Request{App: "order", Method: http.MethodPost, Path: "/x", System: true}); err != nil ||
		got.Header.Get("Authorization") != "" {
		t.Errorf("a system call carries the user's token: %q, %v", got.Header.Get("Authorization"), err)
	}
}

func TestRefusalsKeepTheirMeaning(t *testing.T) {
	document := func(status int, code string) string {
		text, err := json.Marshal(problem.Document{Type: "about:blank", Title: http.StatusText(status), Status: status,
			Code: code, Detail: "Because.",
			Errors: []problem.Field{{Field: "a", Message: "b"}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for what, c := range map[string]struct {
		status int
		body   string
		kind   problem.Kind
		code   string
	}{
		"a conflict":              {409, document(409, "sold_out"), problem.Conflict, "sold_out"},
		"a validation":            {422, document(422, "validation_failed"), problem.Invalid, "validation_failed"},
		"a forbidden call":        {403, document(403, "caller_not_allowed"), problem.Forbidden, "caller_not_allowed"},
		"a busy service":          {503, document(503, "unavailable"), problem.Unavailable, "unavailable"},
		"a service's own failure": {500, document(500, "internal"), problem.Internal, "internal"},
		"a bare status":           {404, "", problem.NotFound, "not_found"},
		"an HTML page":            {502, "<html>", problem.Internal, "internal"},
		"an unusual status":       {418, "", problem.BadRequest, "bad_request"},
		"no address": {500, `{"errorCode":"ERR_DIRECT_INVOKE","message":"couldn't find service: order"}`,
			problem.Unavailable, "unavailable"},
		"a circuit that is open": {500, `{"errorCode":"ERR_DIRECT_INVOKE","message":"circuit breaker is open"}`,
			problem.Unavailable, "unavailable"},
		"an access the policy denies": {403, `{"errorCode":"ERR_DIRECT_INVOKE","message":"access denied"}`,
			problem.Unavailable, "unavailable"},
	} {
		client := open(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		err := client.Invoke(t.Context(), Request{App: "order", Method: http.MethodPost, Path: "/internal/orders",
			In: thing{"5"}, Out: &thing{}})
		if problem.KindOf(err) != c.kind || problem.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s %s", what, err, c.kind, c.code)
		}
		var p *problem.Error
		if errors.As(err, &p) && strings.Contains(c.body, "Because.") &&
			(p.Detail != "Because." || len(p.Fields) != 1 || p.RetryAfter != 7*time.Second) {
			t.Errorf("%s: %+v, want the service's own message, fields and Retry-After", what, p)
		}
		if doc, _ := problem.Describe(err, ""); strings.Contains(doc.Detail, "circuit") ||
			strings.Contains(doc.Detail, "couldn't") {
			t.Errorf("%s: the caller is told %q", what, doc.Detail)
		}
	}
}

// A request that may have taken effect is not sent again: the caller decides, with an idempotency key. A GET is sent
// once more.
func TestOnlyGETsAreRepeatedAfterABrokenConnection(t *testing.T) {
	for method, want := range map[string]int64{http.MethodPost: 1, http.MethodPut: 1, http.MethodDelete: 1,
		http.MethodGet: 2} {
		var seen atomic.Int64
		c := open(t, func(_ http.ResponseWriter, r *http.Request) {
			seen.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler) // the connection breaks before the answer
		})
		r := Request{App: "order", Method: method, Path: "/x"}
		if method != http.MethodGet {
			r.In = thing{"5"}
		}
		if err := c.Invoke(t.Context(), r); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("%s: %v, want unavailable", method, err)
		}
		if seen.Load() != want {
			t.Errorf("%s was sent %d times, want %d", method, seen.Load(), want)
		}
	}
	// 5xx answers are not repeated.
	var seen atomic.Int64
	c := open(t, func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	if err := c.Invoke(t.Context(), Request{App: "order", Method: http.MethodGet, Path: "/x"}); err == nil ||
		seen.Load() != 1 {
		t.Errorf("a GET that was answered 503: %v, sent %d times", err, seen.Load())
	}
}

// A caller that gives up returns at once, but the sidecar's answer is still read to its end.
func TestTheAnswerIsReadAfterItsCallerGaveUp(t *testing.T) {
	began, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	piece := []byte(strings.Repeat("x", 64<<10))
	c := open(t, func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(piece)
		w.(http.Flusher).Flush()
		close(began)
		<-goOn
		for range 64 {
			if err == nil {
				_, err = w.Write(piece)
			}
		}
		over <- err
	})
	ctx, leave := context.WithCancel(t.Context())
	returned := make(chan error, 1)
	go func() {
		returned <- c.Invoke(ctx, Request{App: "order", Method: http.MethodGet, Path: "/x"})
	}()
	<-began
	leave()
	if err := <-returned; problem.KindOf(err) != problem.Unavailable {
		t.Errorf("a caller that gave up: %v, want unavailable", err)
	}
	close(goOn)
	if err := <-over; err != nil {
		t.Errorf("the sidecar could not write its answer: %v", err)
	}
}

func TestNoAnswerIsATimeoutNoSidecarIsUnavailable(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	c := open(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Invoke(ctx, Request{App: "order", Method: http.MethodPost,
		Path: "/x"}); problem.KindOf(err) != problem.Timeout {
		t.Errorf("no answer: %v, want timeout: the effect is unknown", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, nobody, 1).Invoke(t.Context(), Request{App: "order", Method: http.MethodPost,
		Path: "/x"}); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("no sidecar: %v, want unavailable", err)
	}
}

// A service that is killed while it answers may have sent its status without the body. The outcome is then unknown,
// whatever the status is.
func TestAnAnswerWithoutItsBodyIsInconclusive(t *testing.T) {
	for status, want := range map[int]problem.Kind{http.StatusCreated: problem.Unavailable, http.StatusNoContent: ""} {
		c := open(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		err := c.Invoke(t.Context(), Request{App: "order", Method: http.MethodPost, Path: "/x", Out: &thing{}})
		if got := problem.KindOf(err); err == nil && want != "" || err != nil && got != want {
			t.Errorf("%d without a body: %v, want kind %q", status, err, want)
		}
	}
}

// What daprd answers when an app closed the connection to drain before it began the call.
const goAway = `{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: order, err: rpc error: ` +
	`code = Internal desc = error invoking app channel: Post \"http://127.0.0.1:8086/x\": ` +
	`http2: Transport: cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY] ` +
	`after Request.Body was written"}`

// A call that the app did not begin to handle is sent again, once; after any other failure it is not.
func TestACallThatNoServiceHandledIsSentAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []string
		calls   int32
		kind    problem.Kind
	}{
		"once":            {[]string{goAway, `{"id":"7"}`}, 2, ""},
		"again and again": {[]string{goAway, goAway, `{"id":"7"}`}, 2, problem.Unavailable},
		"another failure": {[]string{`{"errorCode":"ERR_DIRECT_INVOKE","message":"EOF"}`, `{"id":"7"}`}, 1,
			problem.Unavailable},
	} {
		var calls atomic.Int32
		c := open(t, func(w http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != `{"id":"7"}` {
				t.Errorf("%s: body %q, %v", name, body, err)
			}
			answer := tt.answers[calls.Add(1)-1]
			if strings.Contains(answer, "errorCode") {
				w.WriteHeader(http.StatusInternalServerError)
			}
			_, _ = io.WriteString(w, answer)
		})
		var out thing
		err := c.Invoke(t.Context(), Request{App: "order", Method: http.MethodPost, Path: "/x", In: thing{"7"}, Out: &out})
		if problem.KindOf(err) != tt.kind || calls.Load() != tt.calls || tt.kind == "" && out.ID != "7" {
			t.Errorf("%s: %v after %d calls, want kind %q after %d", name, err, calls.Load(), tt.kind, tt.calls)
		}
	}
}

func TestAnAnswerThatCannotBeReadIsAnError(t *testing.T) {
	c := open(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if err := c.Invoke(t.Context(), Request{App: "order", Method: http.MethodGet, Path: "/x",
		Out: &thing{}}); problem.KindOf(err) != problem.Internal {
		t.Errorf("not JSON: %v, want internal", err)
	}
	if err := c.Invoke(t.Context(), Request{App: "order", Method: http.MethodGet, Path: "/x"}); err != nil {
		t.Errorf("an answer nobody reads: %v", err)
	}
}

func TestReady(t *testing.T) {
	status := http.StatusNoContent
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1.0/healthz/outbound" {
			t.Errorf("asked %s", r.URL.Path)
		}
		w.WriteHeader(status)
	})
	if err := c.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	status = http.StatusInternalServerError
	if err := c.Ready(t.Context()); err == nil {
		t.Error("a sidecar that is not ready counts as ready")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
}

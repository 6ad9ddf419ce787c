package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"daprmall.dev/services/kit/bulk"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/telemetry"
)

// maxAnswer bounds an answer that is not a stream, in bytes.
const maxAnswer = 8 << 20

// Only these headers are forwarded, so that others cannot be smuggled in: dapr-*, X-Forwarded-*, hop-by-hop headers.
// Authorization, Idempotency-Key and Content-Type are set by the route's rules. Accept is not forwarded: no service
// reads it, and with text/event-stream Dapr turns every answer into a stream and a service's refusal into an error of
// its own.
var (
	forwarded = []string{"If-Match", "If-None-Match", "Last-Event-Id"}
	returned  = []string{"Content-Type", "Content-Length", "Cache-Control", "Etag", "Last-Modified", "Location",
		"Retry-After", "Idempotent-Replayed", "Www-Authenticate"}
)

// mostInBulk bounds the body and the token of a request that shares an invocation: large ones of one client must not
// make the invocation of others too large.
const mostInBulk = 16 << 10

// errClientLeft means that the client disconnected before it had the whole answer.
var errClientLeft = errors.New("client went away")

// Proxy forwards requests to services by the HTTP invocation of the sidecar.
type Proxy struct {
	base           string                  // http://127.0.0.1:port/v1.0/invoke/
	token          string                  // the sidecar's API token
	callerKey      func(app string) string // proves to the service that this is the gateway
	transport      http.RoundTripper
	breakers       *sidecar.Breakers
	countDaprError func(app, errorCode string) // counts answers that Dapr gave instead of the service
}

// NewProxy makes a proxy to the sidecar at base (http://host:port).
func NewProxy(base, daprToken string, key func(app string) string, dapr func(app, errorCode string)) *Proxy {
	return &Proxy{breakers: sidecar.NewBreakers(), base: base + "/v1.0/invoke/", token: daprToken, callerKey: key,
		countDaprError: dapr,
		transport: bulk.New(&http.Transport{
			MaxIdleConnsPerHost: 256, // all requests go to one host; with Go's default of 2 most would open a connection
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true, // both ends are on this machine
			ReadBufferSize:      16 << 10,
			WriteBufferSize:     16 << 10,
		})}
}

// call is a request that has passed the checks.
type call struct {
	user   string // "" for routes for anyone
	route  Route
	target string // path with the caller's ids filled in
	body   []byte
	header http.Header // set by the route's rules; forwarded headers are added
	slot   *slot
	stream func() (leave func(), err error) // admits one more event stream of the client
	change func(answer) answer              // changes the answer for the client; nil: it stays
	told   func(call, answer)               // is told the answer of a write before the client is; nil for a read
}

// slot is a request's share of gateway.max_in_flight. Forward takes it over, and then gives it back when the sidecar
// has answered; until then Gateway.handle gives it back.
type slot struct{ leave func() }

// take returns the function that gives the slot back; giveBack does nothing from then on.
func (p *slot) take() func() {
	leave := p.leave
	p.leave = func() {}
	return leave
}

func (p *slot) giveBack() { p.leave() }

// answer is a service's answer: its body, or an event stream.
type answer struct {
	status int
	header http.Header
	body   []byte
	stream io.ReadCloser // nil unless the answer is a stream; Close ends it
	err    error
}

// Forward sends the call and writes the service's answer. If the service gives no answer it writes nothing and returns
// an error. When the client disconnects Forward returns, but the call continues: cancelling it while the sidecar writes
// its answer can crash the sidecar (dapr/dapr#10371). The call's slot is given back when the sidecar has answered,
// before the answer is written to the client, so that a slow reader does not occupy it.
func (p *Proxy) Forward(w http.ResponseWriter, r *http.Request, c call) error {
	req, err := p.request(context.WithoutCancel(r.Context()), r, c)
	if err != nil {
		return err
	}
	report, err := p.breakers.Allow(c.route.App, c.route.Method+" "+c.route.Path)
	if err != nil {
		return err
	}
	leave := c.slot.take()
	answered := make(chan answer)
	go func() {
		a := p.askTwice(req, c)
		report(a.failed())
		if c.told != nil {
			c.told(c, a)
		}
		leave()
		select {
		case answered <- a:
		case <-r.Context().Done():
			if a.stream != nil {
				_ = a.stream.Close()
			}
		}
	}()
	select {
	case <-r.Context().Done():
		return fmt.Errorf("%w: %w", errClientLeft, r.Context().Err())
	case a := <-answered:
		if c.change != nil {
			a = c.change(a)
		}
		return a.write(w, r, c)
	}
}

// fetch sends the call and returns the service's answer.
func (p *Proxy) fetch(r *http.Request, c call) answer {
	req, err := p.request(r.Context(), r, c)
	if err != nil {
		return answer{err: err}
	}
	report, err := p.breakers.Allow(c.route.App, c.route.Method+" "+c.route.Path)
	if err != nil {
		return answer{err: err}
	}
	a := p.askTwice(req, c)
	report(a.failed())
	return a
}

// askTwice asks again if the service has not seen the request.
func (p *Proxy) askTwice(req *http.Request, c call) answer {
	a := p.ask(req, c)
	if sidecar.NeverHandled(a.status, a.body) {
		a = p.ask(repeat(req), c)
	}
	return a
}

// repeat is the same request with its body from the start.
func repeat(req *http.Request) *http.Request {
	next := req.Clone(req.Context())
	if req.GetBody != nil {
		next.Body, _ = req.GetBody() // of bytes: never fails
	}
	return next
}

// ask sends a request and reads the answer, within the time-out of the service.
func (p *Proxy) ask(req *http.Request, c call) answer {
	ctx, cancel := context.WithCancel(req.Context())
	deadline := time.AfterFunc(c.route.timeout(), cancel)
	res, err := p.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = p.noAnswer(ctx, c, err)
		cancel()
		return answer{err: err}
	}
	a := answer{status: res.StatusCode, header: res.Header}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if media == "text/event-stream" && res.StatusCode < 300 && deadline.Stop() {
		a.stream = stream{res.Body, cancel}
		return a
	}
	a.body, err = readAnswer(res)
	switch {
	case err != nil:
		a.err = p.noAnswer(ctx, c, err)
	case a.status < 300 && media == "application/json" && len(a.body) == 0:
		// The service died after it had sent the status.
		a.err = p.noAnswer(ctx, c, io.ErrUnexpectedEOF)
	case res.StatusCode >= 400 && media != problem.ContentType: // a service's own refusals are problem documents
		a.err = p.noProblemDocument(c, res, a.body)
	}
	_ = res.Body.Close()
	deadline.Stop()
	cancel()
	return a
}

// failed reports whether the circuit breaker counts the answer as a failure.
func (a answer) failed() bool {
	if a.err != nil && problem.KindOf(a.err) != problem.NotFound && problem.KindOf(a.err) != problem.BadRequest {
		return true
	}
	if a.status < 500 {
		return false
	}
	var document struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.body, &document)
	return sidecar.Failed(a.status, document.Code, false)
}

// readAnswer reads a whole body.
func readAnswer(res *http.Response) ([]byte, error) {
	if res.ContentLength > maxAnswer {
		return nil, fmt.Errorf("an answer of %d bytes", res.ContentLength)
	}
	if res.ContentLength >= 0 {
		body := make([]byte, res.ContentLength)
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("an answer of more than %d bytes", maxAnswer)
	}
	return body, err
}

// stream cancels its request when it is closed.
type stream struct {
	io.ReadCloser
	end func()
}

func (s stream) Close() error {
	s.end()
	return s.ReadCloser.Close()
}

func (a answer) write(w http.ResponseWriter, r *http.Request, c call) error {
	if a.err != nil {
		return a.err
	}
	if a.stream != nil {
		defer a.stream.Close() //nolint:errcheck // it has been read
		leave, err := c.stream()
		if err != nil {
			return err
		}
		defer leave()
	}
	a.describe(w.Header())
	if a.stream != nil {
		w.Header().Del("Content-Length")
		w.WriteHeader(a.status)
		return copyStream(r.Context(), w, a.stream)
	}
	body := a.body
	if !holdsSecrets(c.route) {
		body = compress(w.Header(), r, body)
	}
	return writeBody(w, r, a.status, body)
}

// describe sets the headers that are returned.
func (a answer) describe(h http.Header) {
	for _, name := range returned {
		if v := a.header.Values(name); len(v) > 0 {
			h[name] = v
		}
	}
}

// writeBody sends a whole body.
func writeBody(w http.ResponseWriter, r *http.Request, status int, body []byte) error {
	if len(body) == 0 {
		w.WriteHeader(status)
		return nil
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write(body); err != nil { //nolint:gosec // it is JSON, and says so, with nosniff
		return fmt.Errorf("%w: %w", errClientLeft, err)
	}
	return nil
}

func (p *Proxy) request(ctx context.Context, r *http.Request, c call) (*http.Request, error) {
	target := p.base + c.route.App + "/method" + c.target
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	var body io.Reader
	if len(c.body) > 0 {
		body = bytes.NewReader(c.body) // in one piece and with its length: Dapr streams a body of unknown length
	}
	if c.route.Bulk && r.URL.RawQuery == "" && max(len(c.body), len(r.Header.Get("Authorization"))) <= mostInBulk {
		ctx = bulk.Share(ctx)
	}
	//nolint:gosec // the host is this process's sidecar, and the app is the route's
	req, err := http.NewRequestWithContext(ctx, c.route.Method, target, body)
	if err != nil {
		return nil, problem.Wrap(err, problem.BadRequest, "", "The address cannot be read.")
	}
	req.Header = c.header.Clone()
	for _, name := range slices.Concat(forwarded, c.route.Headers) {
		// Sidecars speak gRPC to each other, whose metadata is printable ASCII: other values would make the call fail.
		if v := r.Header.Values(name); len(v) > 0 && !slices.ContainsFunc(v,
			func(s string) bool { return strings.ContainsFunc(s, unprintable) }) {
			req.Header[name] = v
		}
	}
	req.Header.Set("dapr-api-token", p.token)
	req.Header.Set(identity.CallerKeyHeader, p.callerKey(c.route.App))
	req.Header.Set("traceparent", telemetry.TraceOf(r.Context()).Header())
	req.Header["User-Agent"] = nil
	return req, nil
}

func (p *Proxy) noAnswer(ctx context.Context, c call, err error) error {
	err = fmt.Errorf("%s %s: %w", c.route.Method, c.route.App, err)
	if ctx.Err() != nil {
		return problem.Wrap(err, problem.Timeout, "timeout",
			"The mall did not answer in time. Ask what became of it before you try again.").After(time.Second)
	}
	return problem.NewUnavailable(err, time.Second, "The mall cannot be reached right now.")
}

// noProblemDocument turns an answer that is not a problem document into one: Dapr gave it (no such app, breaker open,
// timeout, not allowed), or a service broke the contract. The original text goes to the log.
func (p *Proxy) noProblemDocument(c call, res *http.Response, body []byte) error {
	var daprError struct {
		ErrorCode string `json:"errorCode"`
		Message   string `json:"message"`
	}
	if json.Unmarshal(body, &daprError) == nil && daprError.ErrorCode != "" {
		p.countDaprError(c.route.App, daprError.ErrorCode)
		return problem.NewUnavailable(fmt.Errorf("%s %s: Dapr answered %d %s: %s", c.route.Method, c.route.App,
			res.StatusCode, daprError.ErrorCode, daprError.Message),
			time.Second, "A part of the mall cannot be reached right now.")
	}
	cause := fmt.Errorf("%s %s answered %d with %q, which is no problem document", c.route.Method, c.route.App,
		res.StatusCode, res.Header.Get("Content-Type"))
	if res.StatusCode == http.StatusNotFound {
		return problem.Wrap(cause, problem.NotFound, "not_found", "There is nothing here.")
	}
	if res.StatusCode < 500 {
		return problem.Wrap(cause, problem.BadRequest, "bad_request", "The request was refused.")
	}
	return problem.NewUnavailable(cause, time.Second, "A part of the mall cannot be reached right now.")
}

// copyStream copies a stream and flushes every piece until either side ends. The status has been sent already.
func copyStream(ctx context.Context, w http.ResponseWriter, from io.ReadCloser) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("lift write deadline: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = from.Close() })
	defer stop()
	piece := make([]byte, 4<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			if _, err := w.Write(piece[:n]); err != nil {
				return nil // the client has disconnected
			}
			if err := control.Flush(); err != nil {
				return nil // the client has disconnected
			}
		}
		if err != nil {
			return nil // the stream ended; its status was sent at its start
		}
	}
}

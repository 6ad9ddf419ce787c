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
	"strings"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
)

const (
	usual      = 12 * time.Second // for an answer; the sidecar gives up a little earlier (dapr-config/resiliency.yaml)
	maxRefusal = 64 << 10         // how much is read of an answer that may have to be replaced
)

// Only these headers cross the edge. What is not listed cannot be smuggled: dapr-*, X-Forwarded-*,
// hop-by-hop headers and whatever the next attack is named after. Authorization, Idempotency-Key and
// Content-Type are set by the route's own rules. Accept stays here: no room looks at it, and with
// text/event-stream Dapr turns what is no stream into one, and a room's refusal into an error of its own.
var (
	forwarded = []string{"If-Match", "If-None-Match", "Last-Event-Id"}
	returned  = []string{"Content-Type", "Content-Length", "Cache-Control", "Etag", "Last-Modified", "Location",
		"Retry-After", "Idempotent-Replayed", "Www-Authenticate"}
)

// errGone says that the client went away before there was an answer; nobody is left to tell.
var errGone = errors.New("client went away")

// errSlow is the cause of a context that the proxy cancelled.
var errSlow = errors.New("no answer in time")

// Proxy forwards requests to rooms by the HTTP invocation of the sidecar.
type Proxy struct {
	base  string // http://127.0.0.1:port/v1.0/invoke/
	token string // what the sidecar wants to see
	to    http.RoundTripper
	usual time.Duration
	dapr  func(app, errorCode string) // counts answers that Dapr made in place of the room
}

// NewProxy makes a proxy to the sidecar at base (http://host:port).
func NewProxy(base, daprToken string, dapr func(app, errorCode string)) *Proxy {
	return &Proxy{base: base + "/v1.0/invoke/", token: daprToken, usual: usual, dapr: dapr, to: &http.Transport{
		MaxIdleConnsPerHost: 256, // all go to one host; Go's default of 2 opens a connection per request
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // both ends are on this machine
		ReadBufferSize:      16 << 10,
		WriteBufferSize:     16 << 10,
	}}
}

// call is a request as the edge has accepted it.
type call struct {
	route  Route
	target string // path with the caller's ids filled in
	body   []byte
	header http.Header // what the edge decided; forwarded headers come on top
}

// Forward sends the call and writes the room's answer. It returns an error, with nothing written, when
// there is no answer that the room made.
func (p *Proxy) Forward(w http.ResponseWriter, r *http.Request, c call) error {
	limit := c.route.Timeout
	if limit == 0 {
		limit = p.usual
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	deadline := time.AfterFunc(limit, func() { cancel(errSlow) })
	defer deadline.Stop()

	req, err := p.request(ctx, r, c)
	if err != nil {
		return err
	}
	res, err := p.to.RoundTrip(req)
	if err != nil {
		return p.unanswered(ctx, c, err)
	}
	defer func() { _ = res.Body.Close() }()
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode >= 400 && media != problem.ContentType {
		return p.replaced(c, res)
	}
	stream := media == "text/event-stream"
	if stream {
		deadline.Stop()
	}
	for _, name := range returned {
		if v := res.Header.Values(name); len(v) > 0 {
			w.Header()[name] = v
		}
	}
	w.WriteHeader(res.StatusCode)
	if r.Method == http.MethodHead {
		return nil
	}
	return relay(w, res.Body, stream)
}

func (p *Proxy) request(ctx context.Context, r *http.Request, c call) (*http.Request, error) {
	target := p.base + c.route.App + "/method" + c.target
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	var body io.Reader
	if len(c.body) > 0 {
		body = bytes.NewReader(c.body) // whole, with its length: Dapr takes a body of unknown length for a stream
	}
	req, err := http.NewRequestWithContext(ctx, c.route.Method, target, body) //nolint:gosec // the host is the own sidecar's, the app the route's
	if err != nil {
		return nil, problem.Wrap(err, problem.BadRequest, "", "The address cannot be read.")
	}
	req.Header = c.header.Clone()
	for _, name := range forwarded {
		// Sidecars speak gRPC to each other, which carries printable ASCII: they would fail with anything else.
		if v := r.Header.Values(name); len(v) > 0 && !slices.ContainsFunc(v, func(s string) bool { return strings.ContainsFunc(s, unprintable) }) {
			req.Header[name] = v
		}
	}
	req.Header.Set("dapr-api-token", p.token)
	req.Header.Set("traceparent", telemetry.TraceOf(r.Context()).Header())
	req.Header["User-Agent"] = nil
	return req, nil
}

func (p *Proxy) unanswered(ctx context.Context, c call, err error) error {
	err = fmt.Errorf("%s %s: %w", c.route.Method, c.route.App, err)
	switch {
	case errors.Is(context.Cause(ctx), errSlow):
		return problem.Wrap(err, problem.Timeout, "timeout", "The mall did not answer in time. Ask what became of it before you try again.").After(time.Second)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return problem.Busy(err, time.Second, "The mall cannot be reached right now.")
}

// replaced turns an answer that is no problem document into one: Dapr made it (no such app, breaker
// open, timeout, not allowed), or a room broke the contract. Its words stay in the log.
func (p *Proxy) replaced(c call, res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if err != nil {
		return problem.Busy(fmt.Errorf("read answer of %s: %w", c.route.App, err), time.Second, "The mall cannot be reached right now.")
	}
	var made struct {
		ErrorCode string `json:"errorCode"`
		Message   string `json:"message"`
	}
	if json.Unmarshal(body, &made) == nil && made.ErrorCode != "" {
		p.dapr(c.route.App, made.ErrorCode)
		return problem.Busy(fmt.Errorf("%s %s: Dapr answered %d %s: %s", c.route.Method, c.route.App, res.StatusCode, made.ErrorCode, made.Message),
			time.Second, "A part of the mall cannot be reached right now.")
	}
	cause := fmt.Errorf("%s %s answered %d with %q, which is no problem document", c.route.Method, c.route.App, res.StatusCode, res.Header.Get("Content-Type"))
	if res.StatusCode == http.StatusNotFound {
		return problem.Wrap(cause, problem.NotFound, "not_found", "There is nothing here.")
	}
	if res.StatusCode < 500 {
		return problem.Wrap(cause, problem.BadRequest, "bad_request", "The request was refused.")
	}
	return problem.Busy(cause, time.Second, "A part of the mall cannot be reached right now.")
}

// relay copies an answer. A stream is flushed piece by piece and may last; everything else is small.
// The status is out already, so an error can only break the connection off.
func relay(w http.ResponseWriter, from io.Reader, stream bool) error {
	if !stream {
		if _, err := io.Copy(w, from); err != nil {
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		}
		return nil
	}
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("lift write deadline: %w", err)
	}
	piece := make([]byte, 4<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			if _, err := w.Write(piece[:n]); err != nil {
				return nil //nolint:nilerr // the reader has left
			}
			if err := control.Flush(); err != nil {
				return nil //nolint:nilerr // the reader has left
			}
		}
		if err != nil {
			return nil //nolint:nilerr // the stream is over, however it ended: its status was sent long ago
		}
	}
}

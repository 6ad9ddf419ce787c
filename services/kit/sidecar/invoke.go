package sidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/backoff"

	"daprmall.dev/services/kit/bulk"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
)

var reconnectBackoff = backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2,
	MaxDelay: 2 * time.Second}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 8 << 20

// Request is one call of a peer's route.
type Request struct {
	App    string
	Method string // GET, POST …
	Path   string // with query, starting with "/"
	In     any    // JSON body, nil for none
	Out    any    // where the JSON answer goes, nil to ignore it
	// System omits the user's token: the peer sees only which app calls.
	System bool
	// Shared: calls that wait at the same time share an invocation. The peer must have named the route (server.InBulk).
	Shared bool
}

// Invoke calls a peer and forwards the user's token and the trace. A refusal by the peer keeps its kind and code. The
// error is Unavailable if the peer cannot be reached, and Timeout if it does not answer within CallTimeout: then it is
// unknown whether the call had its effect. A call is sent only once, except a GET whose connection broke and a call
// that NeverHandled reports.
//
// When ctx ends first, Invoke returns, but the call continues and its answer is read: cancelling a call while the
// sidecar writes its answer can end the sidecar (dapr/dapr#10371).
func (c *Client) Invoke(ctx context.Context, r Request) error {
	var body []byte
	if r.In != nil {
		var err error
		if body, err = json.Marshal(r.In); err != nil {
			return err
		}
	}
	done, err := c.breakers.Allow(r.App, r.Method+" "+routePattern(r.Path))
	if err != nil {
		return err
	}
	answered := make(chan answer, 1)
	go func() {
		a := c.ask(context.WithoutCancel(ctx), r, body)
		if NeverHandled(a.status, a.body) {
			a = c.ask(context.WithoutCancel(ctx), r, body)
		}
		done(a.failed())
		answered <- a
	}()
	select {
	case <-ctx.Done():
		return unreachable(r, ctx.Err())
	case a := <-answered:
		return a.decode(r)
	}
}

// NeverHandled reports whether an answer is Dapr's word that the app did not begin the call, because it was closing the
// connection to drain: HTTP/2's GOAWAY (RFC 9113, 6.8) names the last stream that is handled. Go's transport repeats
// such a call by itself unless its body was sent; daprd cannot. It may be repeated whatever its method.
func NeverHandled(status int, body []byte) bool {
	return status == http.StatusInternalServerError && bytes.Contains(body, []byte(`"ERR_DIRECT_INVOKE"`)) &&
		bytes.Contains(body, []byte("received Server's graceful shutdown GOAWAY"))
}

// routePattern is a path without query and ids. Only ids begin with a digit.
func routePattern(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if part != "" && part[0] >= '0' && part[0] <= '9' {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

// answer is a peer's answer, read completely.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

func (c *Client) ask(ctx context.Context, r Request, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout(r.App))
	defer cancel()
	res, err := c.send(ctx, r, body)
	if err != nil && r.Method == http.MethodGet && ctx.Err() == nil {
		res, err = c.send(ctx, r, body)
	}
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return answer{status: res.StatusCode, header: res.Header, body: raw, err: err}
}

// daprError is daprd's error in place of a service's answer.
type daprError struct {
	ErrorCode string `json:"errorCode"`
	Message   string `json:"message"`
}

func (a answer) failed() bool {
	if a.err != nil {
		return true
	}
	if a.status < 400 {
		return false
	}
	var document struct {
		daprError
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.body, &document)
	return Failed(a.status, document.Code, document.ErrorCode != "")
}

func (a answer) decode(r Request) error {
	if a.err != nil {
		return unreachable(r, a.err)
	}
	if a.status >= 300 {
		return refusal(r, a)
	}
	if r.Out == nil || a.status == http.StatusNoContent {
		return nil
	}
	if len(a.body) == 0 { // the peer died after it had sent the status; its sidecar passes that on as an answer
		return unreachable(r, io.ErrUnexpectedEOF)
	}
	if err := json.Unmarshal(a.body, r.Out); err != nil {
		return fmt.Errorf("%s %s %s: read answer: %w", r.Method, r.App, r.Path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, r Request, body []byte) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body) // sets Content-Length: without it daprd treats the call as a stream
	}
	if r.Shared {
		ctx = bulk.Share(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, c.base+"/v1.0/invoke/"+r.App+"/method"+r.Path, reader)
	if err != nil {
		return nil, err
	}
	req.Header.Set("dapr-api-token", c.env.DaprAPIToken)
	if key := c.PeerKey(r.App); key != "" {
		req.Header.Set(identity.CallerKeyHeader, key)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if t := telemetry.TraceOf(ctx); t.ID != "" {
		req.Header.Set("traceparent", t.Header())
	}
	if token := identity.Token(ctx); token != "" && !r.System {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return c.http.Do(req)
}

func unreachable(r Request, err error) error {
	err = fmt.Errorf("%s %s %s: %w", r.Method, r.App, r.Path, err)
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()) {
		return problem.Wrap(err, problem.Timeout, "timeout", "A part of the mall did not answer in time.").After(time.Second)
	}
	return problem.NewUnavailable(err, time.Second, "A part of the mall cannot be reached right now.")
}

// refusal distinguishes the peer's own answer from daprd's ({"errorCode": "ERR_…"}).
func refusal(r Request, a answer) error {
	var daprd daprError
	if json.Unmarshal(a.body, &daprd) == nil && daprd.ErrorCode != "" {
		return problem.NewUnavailable(fmt.Errorf("%s %s %s: %s: %s", r.Method, r.App, r.Path, daprd.ErrorCode, daprd.Message),
			time.Second, "A part of the mall cannot be reached right now.")
	}
	seconds, _ := strconv.Atoi(a.header.Get("Retry-After"))
	retry := time.Duration(seconds) * time.Second
	return fmt.Errorf("%s %s: %w", r.App, r.Path, problem.FromResponse(a.status, a.body, retry))
}

// Keys fetches auth's public keys: what identity.NewVerifier needs.
func (c *Client) Keys(ctx context.Context) (identity.KeySet, error) {
	var set identity.KeySet
	err := c.Invoke(ctx, Request{App: "auth", Method: http.MethodGet, Path: "/.well-known/jwks.json", Out: &set,
		System: true})
	return set, err
}

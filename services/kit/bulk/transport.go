// Package bulk sends several calls of one app in one invocation of the sidecar. The calls, and their responses, are
// HTTP messages one after the other (application/http, RFC 9112, 10.2). The app handles each as if it had come alone.
package bulk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"daprmall.dev/services/kit/batch"
)

const (
	// Path is the route of an app that takes several calls.
	Path = "/bulk"
	// ContentType is that of an invocation with several calls, and of the response to it.
	ContentType = "application/http"
	// MaxInvocation is the largest body of an invocation, in bytes.
	MaxInvocation = maxCalls * (maxBody + maxHeader)

	maxCalls    = 32
	maxBody     = 64 << 10 // of a call that may share; a larger one goes alone
	maxHeader   = 16 << 10
	maxAnswer   = 8 << 20 // of an invocation, in bytes
	patience    = 10 * time.Millisecond
	forgetAfter = 30 * time.Second // an app that is older than this package is asked again after that
)

var callsPerInvocation = promauto.NewHistogramVec(prometheus.HistogramOpts{Name: "mall_calls_per_invocation",
	Help:    "Calls of another app that shared an invocation of the sidecar.",
	Buckets: []float64{1, 2, 4, 8, 16, maxCalls}}, []string{"app"})

// Metrics are for a process that has a registry of its own.
func Metrics() []prometheus.Collector { return []prometheus.Collector{callsPerInvocation} }

type shareKey struct{}

// Share marks the requests of a context: each may share an invocation with others. Their route must be one of those
// that the app has named by Handler.
func Share(ctx context.Context) context.Context { return context.WithValue(ctx, shareKey{}, true) }

// Transport sends requests to a sidecar's invocation API. Those that Share has marked share an invocation with others
// that wait at the same time. A lone one is sent as it is, without delay.
type Transport struct {
	base http.RoundTripper

	mu   sync.Mutex
	apps map[string]*app
}

// New makes a transport that sends by base.
func New(base http.RoundTripper) *Transport { return &Transport{base: base, apps: map[string]*app{}} }

// app collects the calls of an app.
type app struct {
	base  http.RoundTripper
	root  string // http://host:port/v1.0/invoke/app/method
	name  string
	calls *batch.Group[*http.Request, *http.Response]

	mu    sync.Mutex
	alone time.Time // until then the app is taken to be too old for bulk
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	root, name := appOf(req.URL)
	if name == "" || req.Context().Value(shareKey{}) == nil || req.ContentLength > maxBody ||
		req.Body != nil && req.GetBody == nil {
		return t.base.RoundTrip(req)
	}
	return t.app(root, name).calls.Do(req.Context(), req)
}

// appOf takes http://host:port/v1.0/invoke/app/method/route apart.
func appOf(u *url.URL) (root, name string) {
	const before, after = "/v1.0/invoke/", "/method"
	rest, ok := strings.CutPrefix(u.Path, before)
	if !ok {
		return "", ""
	}
	name, _, ok = strings.Cut(rest, after+"/")
	if !ok || strings.Contains(name, "/") {
		return "", ""
	}
	return u.Scheme + "://" + u.Host + before + name + after, name
}

func (t *Transport) app(root, name string) *app {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apps[root]
	if a == nil {
		a = &app{base: t.base, root: root, name: name}
		a.calls = batch.New(maxCalls, patience, a.send)
		t.apps[root] = a
	}
	return a
}

// send sends calls together, or each alone if there is only one or the app does not take several.
func (a *app) send(calls []*http.Request) []batch.Result[*http.Response] {
	callsPerInvocation.WithLabelValues(a.name).Observe(float64(len(calls)))
	if len(calls) == 1 || a.goAlone() {
		return a.eachAlone(calls)
	}
	raw, res, err := a.together(calls)
	switch {
	case err != nil:
		return all(calls, func() (*http.Response, error) { return nil, err })
	case res.StatusCode == http.StatusNotFound:
		a.mu.Lock()
		a.alone = time.Now().Add(forgetAfter)
		a.mu.Unlock()
		return a.eachAlone(calls)
	case res.Header.Get("Content-Type") != ContentType: // a refusal of all, or an error of the sidecar
		return all(calls, func() (*http.Response, error) {
			each := *res
			each.Header, each.Body = res.Header.Clone(), io.NopCloser(bytes.NewReader(raw))
			return &each, nil
		})
	}
	reader := bufio.NewReader(bytes.NewReader(raw))
	results := all(calls, func() (*http.Response, error) { return readResponse(reader) })
	for i, r := range results {
		if r.Err == nil && r.Value.StatusCode == http.StatusMisdirectedRequest {
			results[i].Value, results[i].Err = a.base.RoundTrip(calls[i])
		}
	}
	return results
}

func (a *app) goAlone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.alone)
}

func (a *app) eachAlone(calls []*http.Request) []batch.Result[*http.Response] {
	results := make([]batch.Result[*http.Response], len(calls))
	var wg sync.WaitGroup
	for i, c := range calls {
		if i == len(calls)-1 {
			results[i].Value, results[i].Err = a.base.RoundTrip(c)
			break
		}
		wg.Go(func() { results[i].Value, results[i].Err = a.base.RoundTrip(c) })
	}
	wg.Wait()
	return results
}

func all(calls []*http.Request, answer func() (*http.Response, error)) []batch.Result[*http.Response] {
	results := make([]batch.Result[*http.Response], len(calls))
	for i := range calls {
		results[i].Value, results[i].Err = answer()
	}
	return results
}

// together sends one invocation, which waits as long as the most patient of its calls.
func (a *app) together(calls []*http.Request) (raw []byte, res *http.Response, err error) {
	var body bytes.Buffer
	var last time.Time
	for _, c := range calls {
		if err := a.write(&body, c); err != nil {
			return nil, nil, err
		}
		deadline, bounded := c.Context().Deadline()
		if !bounded {
			return nil, nil, errors.New("a call that shares an invocation has no deadline")
		}
		if deadline.After(last) {
			last = deadline
		}
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(calls[0].Context()), last)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.root+Path, &body)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range ofInvocation {
		if value := calls[0].Header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	req.Header.Set("Content-Type", ContentType)
	if res, err = a.base.RoundTrip(req); err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return raw, res, err
}

// write writes a call without what is of the invocation.
func (a *app) write(w io.Writer, call *http.Request) error {
	c := call.Clone(call.Context())
	for _, name := range ofInvocation {
		c.Header.Del(name)
	}
	c.Header["User-Agent"] = nil // none, not that of Go
	prefix := "/v1.0/invoke/" + a.name + "/method"
	c.URL.Path, c.URL.RawPath = strings.TrimPrefix(c.URL.Path, prefix), strings.TrimPrefix(c.URL.RawPath, prefix)
	c.Host = a.name
	if call.GetBody != nil {
		body, err := call.GetBody()
		if err != nil {
			return err
		}
		c.Body = body
	}
	if err := c.Write(w); err != nil {
		return fmt.Errorf("write a call of %s: %w", a.name, err)
	}
	return nil
}

// readResponse reads the next response, with its body.
func readResponse(r *bufio.Reader) (*http.Response, error) {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, fmt.Errorf("read the response of a call: %w", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the response of a call: %w", err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

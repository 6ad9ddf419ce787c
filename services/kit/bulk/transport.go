// Package bulk sends several calls of one app in one invocation of the sidecar. The calls, and their responses, are
// HTTP messages one after the other (application/http, RFC 9112, 10.2). The app handles each as if it had come alone.
package bulk

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
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
	maxAnswer   = 8 << 20 // of a call, in bytes
	maxStream   = time.Minute
	patience    = 20 * time.Millisecond
	forgetAfter = 30 * time.Second // an app that is older than this package is asked again after that
)

var callsPerInvocation = promauto.NewHistogramVec(prometheus.HistogramOpts{Name: "mall_calls_per_invocation",
	Help:    "Calls of another app that shared an invocation of the sidecar.",
	Buckets: []float64{1, 2, 4, 8, 16, maxCalls}}, []string{"app"})

// Metrics returns this package's metrics for a registry of its own; they are in the default one already.
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
		a.calls = batch.NewStream(maxCalls, patience, a.send) //nolint:bodyclose // each caller closes its own
		t.apps[root] = a
	}
	return a
}

// deliver hands out the response to a call.
type deliver = func(i int, r batch.Result[*http.Response])

// send sends calls together, or each alone if there is only one or the app does not take several. It returns when the
// app has answered the first one.
func (a *app) send(calls []*http.Request, done deliver) {
	callsPerInvocation.WithLabelValues(a.name).Observe(float64(len(calls)))
	if len(calls) == 1 || a.goAlone() {
		a.eachAlone(calls, done)
		return
	}
	res, err := a.invoke(calls)
	switch {
	case err != nil:
		for i := range calls {
			done(i, batch.Result[*http.Response]{Err: err})
		}
	case res.StatusCode == http.StatusNotFound:
		_ = res.Body.Close()
		a.mu.Lock()
		a.alone = time.Now().Add(forgetAfter)
		a.mu.Unlock()
		a.eachAlone(calls, done)
	case res.Header.Get("Content-Type") != ContentType: // a refusal of all, or an error of the sidecar
		raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		_ = res.Body.Close()
		for i := range calls {
			each := *res
			each.Header, each.Body = res.Header.Clone(), io.NopCloser(bytes.NewReader(raw))
			done(i, batch.Result[*http.Response]{Value: &each, Err: err})
		}
	default:
		first := make(chan struct{})
		go a.receive(calls, res.Body, sync.OnceFunc(func() { close(first) }), done)
		<-first
	}
}

func (a *app) goAlone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.alone)
}

func (a *app) eachAlone(calls []*http.Request, done deliver) {
	var wg sync.WaitGroup
	for i, c := range calls {
		wg.Go(func() {
			res, err := a.base.RoundTrip(c) //nolint:bodyclose // its caller closes it
			done(i, batch.Result[*http.Response]{Value: res, Err: err})
		})
	}
	wg.Wait()
}

// invoke sends one invocation. It waits for the beginning of the response as long as the most patient of its calls, and
// then for the rest as long as the app needs, up to maxStream: to cancel an invocation while the sidecar writes its
// answer can end the sidecar (dapr/dapr#10371). Callers wait for their own call, no longer than they want to.
func (a *app) invoke(calls []*http.Request) (*http.Response, error) {
	var body bytes.Buffer
	var last time.Time
	for i, c := range calls {
		deadline, bounded := c.Context().Deadline()
		if !bounded { // its caller cancels it
			deadline = time.Now().Add(maxStream)
		}
		if deadline.After(last) {
			last = deadline
		}
		if err := a.write(&body, i, c); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(calls[0].Context()))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.root+Path, &body)
	if err != nil {
		cancel()
		return nil, err
	}
	for _, name := range ofInvocation {
		if value := calls[0].Header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	req.Header.Set("Content-Type", ContentType)
	late := time.AfterFunc(time.Until(last), cancel)
	res, err := a.base.RoundTrip(req)
	if err != nil {
		late.Stop()
		cancel()
		return nil, err
	}
	late.Reset(maxStream)
	res.Body = endingBody{res.Body, func() { late.Stop(); cancel() }}
	return res, nil
}

// endingBody ends an invocation when its response was read.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// receive hands out the responses as they come, and an error to each call that gets none.
func (a *app) receive(calls []*http.Request, body io.ReadCloser, first func(), done deliver) {
	defer func() { _ = body.Close() }()
	defer first()
	reader := bufio.NewReader(body)
	missing := map[int]bool{}
	for i := range calls {
		missing[i] = true
	}
	for len(missing) > 0 {
		i, res, err := readResponse(reader) //nolint:bodyclose // it is in memory
		if err == nil && !missing[i] {
			err = fmt.Errorf("%s answered call %d, which waits for no response", a.name, i)
		}
		if err != nil {
			for i := range missing {
				done(i, batch.Result[*http.Response]{Err: err})
			}
			return
		}
		delete(missing, i)
		if res.StatusCode == http.StatusMisdirectedRequest {
			go func() { a.eachAlone(calls[i:i+1], func(_ int, r batch.Result[*http.Response]) { done(i, r) }) }()
		} else {
			done(i, batch.Result[*http.Response]{Value: res})
		}
		first()
	}
}

// write writes a call without what is of the invocation.
func (a *app) write(w io.Writer, number int, call *http.Request) error {
	c := call.Clone(call.Context())
	for _, name := range ofInvocation {
		c.Header.Del(name)
	}
	c.Header.Set(numberHeader, strconv.Itoa(number))
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

// readResponse reads the next response, with its body and the number of its call.
func readResponse(r *bufio.Reader) (number int, res *http.Response, err error) {
	if res, err = http.ReadResponse(r, nil); err != nil {
		return 0, nil, fmt.Errorf("read the response to a call: %w", err)
	}
	if number, err = strconv.Atoi(res.Header.Get(numberHeader)); err != nil {
		return 0, nil, fmt.Errorf("read the response to a call: its number: %w", err)
	}
	res.Header.Del(numberHeader)
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("read the response to a call: %w", err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return number, res, nil
}

package bulk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/problem"
)

// result is what a call returned.
type result struct {
	status int
	body   string
	err    error
}

// crowd calls the paths of the app, each with a body and a user of its own. All but the first one wait together.
func crowd(t *testing.T, app *testApp, paths ...string) []result {
	t.Helper()
	app.release = make(chan struct{})
	transport := New(app)
	results := make([]result, len(paths))
	var wg sync.WaitGroup
	for i, path := range paths {
		wg.Go(func() {
			results[i] = call(t.Context(), t, transport, path, fmt.Sprint("body", i), fmt.Sprint("user", i))
		})
		synctest.Wait()
	}
	close(app.release)
	wg.Wait()
	return results
}

func call(ctx context.Context, t *testing.T, transport *Transport, path, body, user string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(Share(ctx), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://daprd:3500/v1.0/invoke/order/method"+path,
		strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return result{}
	}
	req.Header.Set("Dapr-Api-Token", "secret")
	req.Header.Set("Mall-Caller-Key", "key")
	req.Header.Set("Authorization", user)
	res, err := transport.RoundTrip(req)
	if err != nil {
		return result{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return result{res.StatusCode, res.Header.Get("Retry-After") + "|" + string(raw), err}
}

// A lone call goes as it is. Those that wait meanwhile share an invocation; each has its own headers, query, body and
// response.
func TestCallsShareAnInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &testApp{routes: []string{"/holds", "/orders"}}
		got := crowd(t, app, "/holds", "/holds?status=409", "/orders?a=%2F%20", "/holds?status=204", "/orders?status=503")
		if fmt.Sprint(app.invocations) != "[/holds /bulk]" {
			t.Errorf("invocations %v, want the first call and one for the others", app.invocations)
		}
		answer := func(i int, path string) string {
			return fmt.Sprintf("POST %s body%d token=user%d caller=checkout key=key", path, i, i)
		}
		want := []result{{200, "|" + answer(0, "/holds?"), nil}, {409, "3|" + answer(1, "/holds?status=409"), nil},
			{200, "|" + answer(2, "/orders?a=%2F%20"), nil}, {204, "3|", nil},
			{503, "3|" + answer(4, "/orders?status=503"), nil}}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("call %d: %+v\nwant %+v", i, got[i], want[i])
			}
		}
	})
}

// A call that cannot share goes alone: its app is older, its route does not take part, or it is large.
func TestCallsThatGoAlone(t *testing.T) {
	for name, c := range map[string]struct {
		app   *testApp
		paths []string
		want  string
	}{
		"an older app": {&testApp{}, []string{"/holds", "/holds", "/holds"}, "[/bulk /holds /holds /holds]"},
		"another route": {&testApp{routes: []string{"/holds"}}, []string{"/holds", "/orders", "/holds"},
			"[/bulk /holds /orders]"},
		"one that waits alone": {&testApp{routes: []string{"/holds"}}, []string{"/holds", "/holds"}, "[/holds /holds]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for i, r := range crowd(t, c.app, c.paths...) {
					if r.err != nil || r.status != 200 || !strings.Contains(r.body, fmt.Sprint("body", i)) {
						t.Errorf("call %d: %+v", i, r)
					}
				}
				slices.Sort(c.app.invocations)
				if got := fmt.Sprint(c.app.invocations); got != c.want {
					t.Errorf("invocations %s, want %s", got, c.want)
				}
			})
		})
	}
}

// A large call, and one that is not marked, wait for nobody.
func TestCallsThatDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &testApp{routes: []string{"/holds"}, release: make(chan struct{})}
		transport := New(app)
		var wg sync.WaitGroup
		wg.Go(func() { call(t.Context(), t, transport, "/holds", "first", "a") })
		synctest.Wait()
		if r := call(t.Context(), t, transport, "/holds", strings.Repeat("x", maxBody+1), "b"); r.status != 200 {
			t.Errorf("a large call: %+v", r)
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
			"http://daprd:3500/v1.0/invoke/order/method/holds", nil)
		res, err := transport.RoundTrip(req)
		if err != nil || res.StatusCode != 200 {
			t.Errorf("a call that is not marked: %v, %v", res, err)
		}
		_ = res.Body.Close()
		close(app.release)
		wg.Wait()
	})
}

// An older app is not asked again and again.
func TestAnOlderAppIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &testApp{release: make(chan struct{})}
		close(app.release)
		a := New(app).app("http://daprd:3500/v1.0/invoke/order/method", "order")
		var reqs []*http.Request
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.root+"/holds", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			reqs = append(reqs, req)
		}
		for _, c := range []struct {
			after time.Duration
			want  int // invocations
		}{{0, 3}, {forgetAfter / 2, 2}, {forgetAfter, 3}} {
			time.Sleep(c.after) //nolint:forbidigo // in a synctest bubble
			app.invocations = nil
			a.send(reqs, func(_ int, r batch.Result[*http.Response]) { _ = r.Value.Body.Close() })
			if len(app.invocations) != c.want {
				t.Errorf("%s later: %v, want %d invocations", c.after, app.invocations, c.want)
			}
		}
	})
}

// What refuses the whole invocation refuses each of its calls.
func TestARefusedInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := crowd(t, &testApp{routes: []string{"/holds"}, refuse: 500}, "/holds", "/holds", "/holds")
		for _, r := range got[1:] {
			if want := (result{500, `7|{"errorCode":"ERR_DIRECT_INVOKE"}`, nil}); r != want {
				t.Errorf("%+v, want %+v", r, want)
			}
		}
	})
}

// A caller that gives up does not end the call of another one.
func TestACallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &testApp{routes: []string{"/holds"}, release: make(chan struct{})}
		transport := New(app)
		var wg sync.WaitGroup
		wg.Go(func() { call(t.Context(), t, transport, "/holds", "first", "a") })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if r := call(ctx, t, transport, "/holds", "second", "b"); r.err == nil {
				t.Errorf("%+v, want an error", r)
			}
		})
		wg.Go(func() {
			if r := call(t.Context(), t, transport, "/holds", "third", "c"); r.err != nil || r.status != 200 {
				t.Errorf("%+v", r)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(app.release)
		wg.Wait()
		if len(app.calls) != 2 {
			t.Errorf("calls %v, want two", app.calls)
		}
	})
}

func TestInvocationsThatCannotBeRead(t *testing.T) {
	one := "POST /holds HTTP/1.1\r\nHost: order\r\nContent-Length: 2\r\n\r\n{}"
	for name, body := range map[string]string{
		"no HTTP":      "{}",
		"a cut head":   one[:30],
		"a cut body":   one[:len(one)-1],
		"a cut call":   one + one[:10],
		"too many":     strings.Repeat(one, maxCalls+1),
		"a bad length": strings.Replace(one, "2", "-2", 1),
	} {
		calls, err := Read(httptest.NewRequest(http.MethodPost, Path, nil), []byte(body))
		if problem.KindOf(err) != problem.BadRequest || calls != nil {
			t.Errorf("%s: %v, %d calls", name, err, len(calls))
		}
	}
}

// A handler's panic is that of the invocation, as net/http expects it, but the other calls have their responses.
func TestAPanicIsThatOfTheInvocation(t *testing.T) {
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // a panic, not an error
			t.Errorf("panic %v", p)
		}
		if n := strings.Count(w.Body.String(), "HTTP/1.1 200 OK"); n != 2 {
			t.Errorf("%d responses, want two: %s", n, w.Body)
		}
	}()
	const call = "POST /%s HTTP/1.1\r\nHost: order\r\n\r\n"
	calls, err := Read(httptest.NewRequest(http.MethodPost, Path, nil),
		[]byte(fmt.Sprintf(call, "good")+fmt.Sprintf(call, "bad")+fmt.Sprintf(call, "good")))
	if err != nil {
		t.Fatal(err)
	}
	Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			panic(http.ErrAbortHandler)
		}
	}), w, calls, func(string, string) bool { return true })
	t.Error("no panic")
}

// A slow call delays no other one: those of its invocation are answered, and the next invocation begins.
func TestASlowCallDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &testApp{routes: []string{"/holds"}, release: make(chan struct{}), slow: make(chan struct{})}
		transport := New(app)
		var mu sync.Mutex
		answered := ""
		ask := func(name, path string) {
			go func() {
				r := call(t.Context(), t, transport, path, name, "a")
				mu.Lock()
				defer mu.Unlock()
				answered += fmt.Sprintf("%s:%d ", name, r.status)
			}()
			synctest.Wait()
		}
		ask("1", "/holds")
		ask("2", "/holds?slow")
		ask("3", "/holds")
		close(app.release)
		synctest.Wait()
		ask("4", "/holds")
		mu.Lock()
		before := answered
		mu.Unlock()
		close(app.slow)
		synctest.Wait()
		quick := strings.Fields(before) // 1 and 3 in either order
		slices.Sort(quick)
		if fmt.Sprint(quick) != "[1:200 3:200 4:200]" || answered != before+"2:200 " {
			t.Errorf("answered %q, and after the slow call %q", before, answered)
		}
		if got := fmt.Sprint(app.invocations); got != "[/holds /bulk /holds]" {
			t.Errorf("invocations %s", got)
		}
	})
}

// An invocation that breaks fails those calls that have no response yet.
func TestABrokenInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &testApp{routes: []string{"/holds"}}
		got := crowd(t, app, "/holds", "/holds", "/holds?cut")
		if got[1].err != nil || got[1].status != 200 || got[2].err == nil {
			t.Errorf("%+v", got)
		}
	})
}

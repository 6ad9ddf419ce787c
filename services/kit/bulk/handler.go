package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"

	"daprmall.dev/services/kit/problem"
)

// ofInvocation are headers of the invocation, which its calls have in common.
var ofInvocation = []string{"Dapr-Api-Token", "Dapr-Caller-App-Id", "Mall-Caller-Key"}

// numberHeader is the number of a call in its invocation, from 0: responses come in the order in which they are ready.
const numberHeader = "Mall-Call"

// Read reads the calls of an invocation from its body.
func Read(invocation *http.Request, body []byte) (calls []*http.Request, err error) {
	for r := bufio.NewReader(bytes.NewReader(body)); ; {
		c, err := readCall(invocation, r)
		if errors.Is(err, io.EOF) {
			return calls, nil
		}
		if err != nil {
			return nil, problem.Wrap(err, problem.BadRequest, "bad_request", "The calls cannot be read.")
		}
		if calls = append(calls, c); len(calls) > maxCalls {
			return nil, problem.New(problem.BadRequest, "bad_request", "At most %d calls can share an invocation.", maxCalls)
		}
	}
}

// Handle runs calls by h, all at the same time, and writes each response when it is ready. allowed says which routes
// take part: a call of another one is answered with 421 (Misdirected Request, RFC 9110, 15.5.20), and the caller sends
// it alone.
func Handle(h http.Handler, w http.ResponseWriter, calls []*http.Request, allowed func(method, path string) bool) {
	w.Header().Set("Content-Type", ContentType)
	ready := make(chan *response, len(calls))
	for _, c := range calls {
		r := &response{header: http.Header{}, number: c.Header.Get(numberHeader)}
		if !allowed(c.Method, c.URL.Path) {
			r.WriteHeader(http.StatusMisdirectedRequest)
			ready <- r
			continue
		}
		go func() {
			defer func() {
				r.panicked = recover()
				ready <- r
			}()
			h.ServeHTTP(r, c)
		}()
	}
	var out bytes.Buffer
	var panicked any
	for left := len(calls); left > 0; {
		for r := <-ready; r != nil; r = next(ready) {
			if left--; r.panicked != nil {
				panicked = r.panicked
				continue
			}
			r.write(&out)
		}
		_, _ = out.WriteTo(w) // a caller that left gets nothing
		if left > 0 {
			_ = http.NewResponseController(w).Flush()
		}
	}
	if panicked != nil {
		panic(panicked) // as it would in the goroutine of a call that came alone; the others have their responses
	}
}

// next returns another response that is ready, or will be in a moment; nil if there is none.
func next(ready <-chan *response) *response {
	for range yields {
		select {
		case r := <-ready:
			return r
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// yields is how often others may run before responses are sent.
const yields = 4

// readCall reads the next call; io.EOF: there is none.
func readCall(invocation *http.Request, r *bufio.Reader) (*http.Request, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	c, err := http.ReadRequest(r)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, fmt.Errorf("read the body of a call: %w", err)
	}
	c.Body = io.NopCloser(bytes.NewReader(body))
	for _, name := range ofInvocation {
		c.Header[name] = invocation.Header.Values(name)
	}
	c.RemoteAddr = invocation.RemoteAddr
	return c.WithContext(invocation.Context()), nil
}

// response is the response to a call.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer

	number   string // of the call
	panicked any
}

func (r *response) Header() http.Header { return r.header }

func (r *response) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *response) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

func (r *response) write(w *bytes.Buffer) {
	r.WriteHeader(http.StatusOK)
	w.WriteString("HTTP/1.1 " + strconv.Itoa(r.status) + " " + http.StatusText(r.status) + "\r\n")
	r.header.Set(numberHeader, r.number)
	r.header.Set("Content-Length", strconv.Itoa(r.body.Len()))
	_ = r.header.Write(w) // into memory
	w.WriteString("\r\n")
	_, _ = r.body.WriteTo(w)
}

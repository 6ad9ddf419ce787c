package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"daprmall.dev/services/kit/problem"
)

// ofInvocation are headers of the invocation, which its calls have in common.
var ofInvocation = []string{"Dapr-Api-Token", "Dapr-Caller-App-Id", "Mall-Caller-Key"}

// Handle runs the calls in an invocation's body by h, all at the same time, and returns their responses. allowed says
// which routes take part: a call of another one is answered with 421 (Misdirected Request, RFC 9110, 15.5.20), and the
// caller sends it alone. An error is a refusal of the whole invocation.
func Handle(h http.Handler, invocation *http.Request, body []byte, allowed func(method, path string) bool) ([]byte,
	error) {
	var calls []*http.Request
	for r := bufio.NewReader(bytes.NewReader(body)); ; {
		c, err := readCall(invocation, r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, problem.Wrap(err, problem.BadRequest, "bad_request", "The calls cannot be read.")
		}
		if calls = append(calls, c); len(calls) > maxCalls {
			return nil, problem.New(problem.BadRequest, "bad_request", "At most %d calls can share an invocation.", maxCalls)
		}
	}
	responses := make([]response, len(calls))
	var wg sync.WaitGroup
	for i, c := range calls {
		responses[i].header = http.Header{}
		if !allowed(c.Method, c.URL.Path) {
			responses[i].WriteHeader(http.StatusMisdirectedRequest)
			continue
		}
		wg.Go(func() {
			defer func() { responses[i].panicked = recover() }()
			h.ServeHTTP(&responses[i], c)
		})
	}
	wg.Wait()
	var out bytes.Buffer
	for i := range responses {
		if p := responses[i].panicked; p != nil {
			panic(p) // as it would in the goroutine of a call that came alone
		}
		responses[i].write(&out)
	}
	return out.Bytes(), nil
}

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
	r.header.Set("Content-Length", strconv.Itoa(r.body.Len()))
	_ = r.header.Write(w) // into memory
	w.WriteString("\r\n")
	_, _ = r.body.WriteTo(w)
}

package bulk

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// testApp is an app behind a sidecar. Its first call waits until release is closed, so that others wait meanwhile.
type testApp struct {
	routes  []string // that take part in bulk; nil: the app does not know bulk
	release chan struct{}
	refuse  int           // the status by which the sidecar answers every invocation with several calls
	slow    chan struct{} // calls with slow in their query wait until it is closed

	mu          sync.Mutex
	invocations []string
	calls       []string
}

func (a *testApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1.0/invoke/order/method")
	a.mu.Lock()
	first := len(a.invocations) == 0
	a.invocations = append(a.invocations, path)
	a.mu.Unlock()
	if first {
		<-a.release
	}
	r.Header.Set("Dapr-Caller-App-Id", "checkout") // as the sidecar does
	r.URL.Path = path
	switch {
	case path != Path:
		a.call(w, r)
	case a.refuse != 0:
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(a.refuse)
		_, _ = io.WriteString(w, `{"errorCode":"ERR_DIRECT_INVOKE"}`)
	case a.routes == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		body, _ := io.ReadAll(r.Body)
		calls, err := Read(r, body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		Handle(http.HandlerFunc(a.call), w, calls, func(_, path string) bool { return slices.Contains(a.routes, path) })
	}
}

// call answers with what it was asked, by the status that the query names.
func (a *testApp) call(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("cut") {
		panic(http.ErrAbortHandler)
	}
	body, _ := io.ReadAll(r.Body)
	got := fmt.Sprintf("%s %s?%s %s token=%s caller=%s key=%s", r.Method, r.URL.Path, r.URL.RawQuery, body,
		r.Header.Get("Authorization"), strings.Join(r.Header.Values("Dapr-Caller-App-Id"), "+"),
		r.Header.Get("Mall-Caller-Key"))
	a.mu.Lock()
	a.calls = append(a.calls, got)
	a.mu.Unlock()
	if r.URL.Query().Has("slow") {
		<-a.slow
	}
	if status := r.URL.Query().Get("status"); status != "" {
		w.Header().Set("Retry-After", "3")
		code := 0
		_, _ = fmt.Sscan(status, &code)
		w.WriteHeader(code)
		if code == http.StatusNoContent {
			return
		}
	}
	_, _ = io.WriteString(w, got)
}

// RoundTrip calls the app as its sidecar does, and passes on what it writes.
func (a *testApp) RoundTrip(r *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w := &stream{header: http.Header{}, to: writer, began: make(chan struct{})}
	go func() {
		defer func() {
			if recover() != nil {
				_ = writer.CloseWithError(io.ErrUnexpectedEOF)
			}
		}()
		a.ServeHTTP(w, r)
		w.WriteHeader(http.StatusOK)
		_ = writer.Close()
	}()
	select {
	case <-w.began:
		return &http.Response{StatusCode: w.status, Header: w.header.Clone(), Body: reader}, nil
	case <-r.Context().Done():
		_ = reader.Close()
		return nil, r.Context().Err()
	}
}

// stream passes on what is written.
type stream struct {
	header http.Header
	status int
	to     io.Writer
	began  chan struct{}
	once   sync.Once
}

func (s *stream) Header() http.Header { return s.header }

func (s *stream) WriteHeader(status int) {
	s.once.Do(func() {
		s.status = status
		close(s.began)
	})
}

func (s *stream) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return s.to.Write(b)
}

package edge_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Clients that request much and read nothing do not block others, with any protocol: a request is no longer in flight
// once the service has answered.
func TestSlowReadersDoNotBlockOtherRequests(t *testing.T) {
	const admitted = 4
	big := bytes.Repeat([]byte("x"), 6<<20)
	for protocol, ask := range map[string]func(*testing.T, string, int){"HTTP/1.1": requestInText,
		"HTTP/2": requestInFrames} {
		t.Run(protocol, func(t *testing.T) {
			answers := make(chan struct{}, 1000)
			m := open(t, func(m *mall) {
				m.inFlight = admitted
				m.answer = func(w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.URL.RawQuery, "big") {
						_, _ = w.Write(big)
						answers <- struct{}{}
					}
				}
			})
			address := strings.TrimPrefix(m.front.URL, "http://")
			for range 10 {
				ask(t, address, admitted-1)
				for range admitted - 1 {
					<-answers // read by the gateway, not by the client
				}
				m.idle()
			}
			for range admitted {
				m.do("GET", "/v1/products", "").want(t, "beside slow readers", 200, "")
			}
		})
	}
}

// When a client disconnects early, the gateway still reads the sidecar's answer, and the request counts as in flight
// until then. So disconnecting does not bypass the limit.
func TestTheAnswerToAnAbortedRequestIsReadToItsEnd(t *testing.T) {
	asked, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	m := open(t, func(m *mall) {
		m.inFlight = 1
		m.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "aborted" {
				return
			}
			w.(http.Flusher).Flush()
			asked <- struct{}{}
			<-goOn
			_, err := w.Write(bytes.Repeat([]byte("x"), 4<<20))
			if r.Context().Err() != nil {
				err = r.Context().Err()
			}
			over <- err
		}
	})
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.front.URL+"/v1/products?aborted", nil)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
			t.Error("the aborted request got an answer")
		}
		close(left)
	}()
	<-asked
	hangUp()
	<-left
	m.do("GET", "/v1/products", "").want(t, "while the aborted request is answered", 503, "unavailable")
	close(goOn)
	if err := <-over; err != nil {
		t.Errorf("the sidecar could not write its answer: %v", err)
	}
	m.idle()
	m.do("GET", "/v1/products", "").want(t, "after the aborted request", 200, "")
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	return conn
}

// requestInText sends each request on its own connection and reads nothing.
func requestInText(t *testing.T, address string, n int) {
	t.Helper()
	for range n {
		if _, err := fmt.Fprintf(dial(t, address), "GET /v1/products?q=big HTTP/1.1\r\nHost: mall\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// Small answers count too: on a stream with a closed window they stay in memory as large ones do.
func TestSmallUnreadAnswersAreCutOff(t *testing.T) {
	m := open(t, nil)
	const allowed, beyond = 64, 20
	frames := openStreams(t, strings.TrimPrefix(m.front.URL, "http://"), allowed+beyond)
	for cut := 0; cut < beyond; {
		f, err := frames.ReadFrame()
		if err != nil {
			t.Fatalf("%d of %d streams were cut off: %v", cut, beyond, err)
		}
		if f.Header().Type == http2.FrameRSTStream {
			cut++
		}
	}
}

// requestInFrames sends requests on streams of one connection with a window of zero.
func requestInFrames(t *testing.T, address string, n int) {
	t.Helper()
	openStreams(t, address, n)
}

func openStreams(t *testing.T, address string, n int) *http2.Framer {
	t.Helper()
	conn := dial(t, address)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	frames := http2.NewFramer(conn, conn)
	if err := frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		var block bytes.Buffer
		headers := hpack.NewEncoder(&block)
		for _, h := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "mall"},
			{":path", "/v1/products?q=big"}} {
			if err := headers.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
				t.Fatal(err)
			}
		}
		err := frames.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(),
			EndStream: true, EndHeaders: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	return frames
}

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daprmall.dev/deploy/internal/apiclient"
)

// Anonymous clients request large lists and read nothing: three HTTP/2 connections with a window of 0 and 190 streams
// each, and 40 HTTP/1.1 connections. They make far more requests than the mall serves at a time and leave the answers
// unread, while all other clients are served.
func TestSlowReadersDoNotBlockOtherRequests(t *testing.T) {
	const (
		slots   = 64
		conns   = 3
		streams = 190
		atOnce  = 4 // unanswered requests per connection: in total fewer than slots, so nothing may be refused
		textual = 40
		kept    = 64 // unread answers kept per address, which is the same for all of them
	)
	setInFlight(t, slots)
	list := bigList(t)
	otherShopper := newShopping(t)
	limited := metric(t, "api-gateway", "mall_gateway_limited_total")
	const cutByGateway = "mall_gateway_unread_answers_cut_total"
	before := metric(t, "api-gateway", cutByGateway)

	for range textual {
		requestInText(t, list)
	}
	asked, enough := context.WithCancel(t.Context())
	var readers, others sync.WaitGroup
	crowd := make([]*slowReader, conns)
	for i := range crowd {
		crowd[i] = openSlowReader(t, list)
		readers.Go(func() {
			if err := crowd[i].ask(streams, atOnce); err != nil {
				t.Errorf("after %d of %d answers: %v", crowd[i].answered.Load(), streams, err)
			}
		})
	}
	others.Go(func() {
		requests := otherShopper.requests()
		for round := 0; round < 3 || asked.Err() == nil; round++ {
			for name, request := range requests {
				if a, err := request(t.Context()); err != nil || a.Status >= 300 {
					t.Errorf("beside slow readers: %s: %s, %v", name, a, err)
				}
			}
		}
	})
	readers.Wait()
	cut := func() (n int64) {
		for _, u := range crowd {
			n += u.cut.Load()
		}
		return n
	}
	err := eventually(t.Context(), waitFor, func() error {
		if n := metric(t, "api-gateway", "mall_gateway_in_flight"); n > 1 { // at most that of the other client
			return fmt.Errorf("%v requests are in flight: unread answers take up slots", n)
		}
		if n := cut(); n < conns*streams-kept {
			return fmt.Errorf("%d of %d unread answers were cut off, want all but %d", n, conns*streams, kept)
		} else if n == conns*streams {
			return errors.New("no unread answer is left, too late to prove anything")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	enough()
	others.Wait()
	if n := metric(t, "api-gateway", cutByGateway) - before; n < float64(cut()) {
		t.Errorf("the gateway counted %v answers as cut off, the clients %d", n, cut())
	}
	if n := metric(t, "api-gateway", "mall_gateway_limited_total") - limited; n != 0 {
		t.Errorf("%v requests were refused by a limit", n)
	}
}

// setInFlight changes how many requests the gateway serves at a time, for the rest of one test.
func setInFlight(t *testing.T, n int) {
	t.Helper()
	mustMall(t, "config", "set", "gateway.max_in_flight", strconv.Itoa(n))
	t.Cleanup(func() {
		out, err := mall(context.WithoutCancel(t.Context()), "config", "set", "gateway.max_in_flight",
			testSettings()["gateway.max_in_flight"])
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// bigList makes a product list of some hundred kilobytes and returns its path.
func bigList(t *testing.T) (target string) {
	t.Helper()
	category := "big-" + apiclient.Key()
	body := map[string]any{"name": strings.Repeat("茶", 200), "description": strings.Repeat("茶", 300), "category": category,
		"image_url": "/images/" + strings.Repeat("x", 1000) + ".jpg", "price": 100, "stock": 1}
	for _, a := range together(t, 60, func(int) (apiclient.Answer, error) {
		return seller.Do(t.Context(), http.MethodPost, "/v1/products", body)
	}) {
		if a.Status != http.StatusCreated {
			t.Fatalf("a product of a big list: %s", a)
		}
	}
	target = "/v1/products?page_size=60&category=" + url.QueryEscape(category)
	if a := do(t, visitor, http.MethodGet, target, nil); a.Status != http.StatusOK || len(a.Body) < 100_000 {
		t.Fatalf("a big list has %d bytes: %.200s", len(a.Body), a)
	}
	return target
}

// dialSlowly connects to the gateway with a very small receive buffer.
func dialSlowly(t *testing.T) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(visitor.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	return conn
}

// requestInText sends HTTP/1.1 requests several times, so that no buffer on the way can hold all the answers.
func requestInText(t *testing.T, target string) {
	t.Helper()
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: mall\r\n\r\n", target)
	if _, err := io.WriteString(dialSlowly(t), strings.Repeat(request, 20)); err != nil {
		t.Fatal(err)
	}
}

// slowReader is an HTTP/2 connection that allows no data in answers.
type slowReader struct {
	*http2.Framer
	target                string
	opened, answered, cut atomic.Int64
}

// openSlowReader connects with a window of 0.
func openSlowReader(t *testing.T, target string) *slowReader {
	t.Helper()
	conn := dialSlowly(t)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	u := &slowReader{Framer: http2.NewFramer(conn, conn), target: target}
	u.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	if err := u.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	return u
}

// ask opens streams, atOnce of them at a time, and returns when each has been answered, or cut off before its answer
// began: on a busy machine the gateway may choose one whose headers it has not written yet. Streams that are cut off
// are counted until the connection ends.
func (u *slowReader) ask(streams, atOnce int64) error {
	for range atOnce {
		if err := u.open(); err != nil {
			return err
		}
	}
	began := map[uint32]bool{}
	next := func() error {
		u.answered.Add(1)
		if u.opened.Load() < streams {
			return u.open()
		}
		return nil
	}
	for u.answered.Load() < streams {
		f, err := u.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if status := f.PseudoValue("status"); status != "200" {
				return fmt.Errorf("a stream is answered %s", status)
			}
			began[f.StreamID] = true
			if err := next(); err != nil {
				return err
			}
		case *http2.RSTStreamFrame:
			u.cut.Add(1)
			if !began[f.StreamID] {
				if err := next(); err != nil {
					return err
				}
			}
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := u.WriteSettingsAck(); err != nil {
					return err
				}
			}
		case *http2.GoAwayFrame:
			return fmt.Errorf("the gateway ends the connection: %s", f.ErrCode)
		}
	}
	go func() {
		for f, err := u.ReadFrame(); err == nil; f, err = u.ReadFrame() {
			if _, is := f.(*http2.RSTStreamFrame); is {
				u.cut.Add(1)
			}
		}
	}()
	return nil
}

func (u *slowReader) open() error {
	var block bytes.Buffer
	headers := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "mall"}, {":path", u.target}} {
		if err := headers.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			return err
		}
	}
	id := uint32(2*u.opened.Add(1) - 1)
	return u.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true,
		EndHeaders: true})
}

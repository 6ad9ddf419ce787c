package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A client may have many idle connections. A server that shuts down must not close them while the client uses one after
// the other: their requests would be lost, and those without a key cannot be repeated.
func TestIdleConnectionsInUseAreNotClosed(t *testing.T) {
	const idle, shoppers = 200, 4
	first := listenTCP(t)
	file, err := first.File()
	if err != nil {
		t.Fatal(err)
	}
	second, err := net.FileListener(file) // the successor's
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	all := new(sync.WaitGroup)
	all.Add(idle)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/together" {
			all.Done()
			all.Wait()
		}
		<-time.After(5 * time.Millisecond) // the time an answer takes
	})
	running, end := context.WithCancel(t.Context())
	ended := serveAt(running, t, first, h)
	serveAt(t.Context(), t, second, h)

	transport := &http.Transport{MaxIdleConnsPerHost: idle}
	defer transport.CloseIdleConnections()
	post := func(path string) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+first.Addr().String()+path,
			http.NoBody)
		if err != nil {
			return err
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		return errors.Join(err, res.Body.Close())
	}
	var clients sync.WaitGroup
	for range idle {
		clients.Go(func() {
			if err := post("/together"); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	end()
	for range shoppers {
		clients.Go(func() {
			for {
				if err := post("/"); err != nil {
					t.Error(err)
				}
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	clients.Wait()
}

func listenTCP(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l.(*net.TCPListener)
}

// serveAt serves until ctx ends. The channel is closed when all requests are finished.
func serveAt(ctx context.Context, t *testing.T, l net.Listener, h http.Handler) <-chan struct{} {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	ended, listens := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ready := func() error { close(listens); return nil }
		if err := Serve(ctx, log, NewHTTPServer(log, h), l, ready); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { <-ended })
	<-listens
	return ended
}

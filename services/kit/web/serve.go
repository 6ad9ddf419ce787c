package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// What a slow client is given, and how long requests under way may take once the process is told to stop.
const (
	headersWithin = 5 * time.Second
	bodyWithin    = 15 * time.Second
	idleFor       = 2 * time.Minute
	headerBytes   = 32 << 10
	drainFor      = 20 * time.Second
)

// NewHTTPServer makes a server of HTTP/1.1 and HTTP/2 without TLS with the bounds every process has.
func NewHTTPServer(log *slog.Logger, h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: h, Protocols: protocols, MaxHeaderBytes: headerBytes,
		ReadHeaderTimeout: headersWithin, ReadTimeout: bodyWithin, IdleTimeout: idleFor,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken connections of strangers
	}
}

// quietFor is how long no request may have begun before the idle connections are closed. quietWithin bounds the wait.
const (
	quietFor    = 250 * time.Millisecond
	quietWithin = 10 * time.Second
)

// Serve serves until ctx ends, then accepts no more connections and finishes the requests under way, for 20 s at most.
// It says when it listens.
//
// At the end a client learns from the answer to its next request that its connection is closed. A request that is sent
// while the server closes the connection would be lost, so connections are closed once nobody uses them.
func Serve(ctx context.Context, log *slog.Logger, srv *http.Server, l net.Listener, ready func() error) error {
	var begun atomic.Int64
	var ending atomic.Bool
	h := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun.Add(1)
		if ending.Load() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	log.Info("serving", "addr", l.Addr().String())
	if err := ready(); err != nil {
		return err
	}
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	ending.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	err := l.Close()
	waitUntilQuiet(&begun)
	if err := errors.Join(err, srv.Shutdown(drain)); err != nil {
		return fmt.Errorf("finish the requests under way: %w", err)
	}
	return nil
}

// waitUntilQuiet returns when no request has begun for a while. Meanwhile requests on accepted connections are read;
// Shutdown drops those that it finds half read.
func waitUntilQuiet(begun *atomic.Int64) {
	for end := time.Now().Add(quietWithin); time.Now().Before(end); {
		seen := begun.Load()
		<-time.After(quietFor)
		if begun.Load() == seen {
			return
		}
	}
}

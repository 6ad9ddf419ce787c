package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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

// Listen opens addr for Serve.
func Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// Serve serves until ctx ends, then finishes the requests under way, for 20 s at most.
func Serve(ctx context.Context, log *slog.Logger, srv *http.Server, l net.Listener) error {
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	log.Info("serving", "addr", l.Addr().String())
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("finish the requests under way: %w", err)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"daprmall.dev/api-gateway/internal/edge"
)

// What a slow or greedy client is given. A stream lifts its own write deadline.
const (
	headersWithin = 5 * time.Second
	bodyWithin    = 15 * time.Second
	answerWithin  = 60 * time.Second
	idleFor       = 2 * time.Minute
	headerBytes   = 32 << 10 // the edge refuses less; what is beyond this is not even read
	drainFor      = 20 * time.Second
	streams       = 100 // of one HTTP/2 connection at a time
)

// serve runs the workers and the server until ctx ends, then finishes the requests under way.
func serve(ctx context.Context, addr string, log *slog.Logger, h http.Handler, workers ...func(context.Context)) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{
		Handler: h, Protocols: protocols, MaxHeaderBytes: headerBytes, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streams},
		ReadHeaderTimeout: headersWithin, ReadTimeout: bodyWithin, WriteTimeout: answerWithin, IdleTimeout: idleFor,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' broken connections
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, work := range workers {
		running.Go(func() { work(background) })
	}
	defer running.Wait()
	defer stop()

	done := make(chan error, 1)
	go func() { done <- srv.Serve(edge.Problems(srv, l)) }()
	log.Info("serving", "addr", addr)
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(background, drainFor)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}

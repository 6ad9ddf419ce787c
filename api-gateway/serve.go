package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"daprmall.dev/api-gateway/internal/edge"
	"daprmall.dev/services/kit/handover"
	"daprmall.dev/services/kit/web"
)

// Bounds for clients of the gateway, besides those of web.NewHTTPServer.
const (
	answerWithin = 60 * time.Second // of a whole answer; the proxy lifts this bound for an event stream
	maxStreams   = 100              // of one HTTP/2 connection at a time
)

// readyFor bounds how long a gateway waits for its checks before it listens all the same: when one service is down, the
// others can be used.
const readyFor = 5 * time.Second

// waitUntilReady returns when the checks pass or readyFor has passed. A gateway that takes over from another listens
// only then, so that it does not refuse requests that the other one would have served.
func waitUntilReady(ctx context.Context, checks []web.Check) {
	ctx, cancel := context.WithTimeout(ctx, readyFor)
	defer cancel()
	for _, check := range checks {
		for check.Ask(ctx) != nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

// serve runs the workers and, once the checks pass, the server until ctx ends; the workers end after the last request.
func serve(ctx context.Context, ports *handover.Ports, addr string, log *slog.Logger, h http.Handler,
	checks []web.Check, workers ...func(context.Context)) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, work := range workers {
		running.Go(func() { work(background) })
	}
	defer running.Wait()
	defer stop()

	waitUntilReady(ctx, checks)
	l, err := ports.Listen(addr)
	if err != nil {
		return err
	}
	srv := web.NewHTTPServer(log, h)
	srv.WriteTimeout = answerWithin
	srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
	return web.Serve(ctx, log, srv, edge.Problems(srv, l), ports.Ready)
}

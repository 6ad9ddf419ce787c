package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"daprmall.dev/api-gateway/internal/edge"
	"daprmall.dev/services/kit/web"
)

// What a client of the gateway is given besides what every process of the mall gives. A stream lifts its own write deadline.
const (
	answerWithin = 60 * time.Second
	streams      = 100 // of one HTTP/2 connection at a time
)

// serve runs the workers and the server until ctx ends; the workers end after the last request.
func serve(ctx context.Context, addr string, log *slog.Logger, h http.Handler, workers ...func(context.Context)) error {
	l, err := web.Listen(addr)
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, work := range workers {
		running.Go(func() { work(background) })
	}
	defer running.Wait()
	defer stop()

	srv := web.NewHTTPServer(log, h)
	srv.WriteTimeout = answerWithin
	srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	return web.Serve(ctx, log, srv, edge.Problems(srv, l))
}

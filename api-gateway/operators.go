package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"daprmall.dev/services/kit/handover"
	"daprmall.dev/services/kit/web"
)

// serveOperators opens the port for operators: OPERATOR_PORT, on loopback unless OPERATOR_HOST says otherwise. The
// gateway's public port may be reachable from anywhere, through any proxy.
func serveOperators(ports *handover.Ports, log *slog.Logger, h http.Handler) (work func(context.Context), err error) {
	port := os.Getenv("OPERATOR_PORT")
	if port == "" {
		return nil, fmt.Errorf("OPERATOR_PORT is not set: metrics have a port of their own")
	}
	l, err := ports.Listen(net.JoinHostPort(cmp.Or(os.Getenv("OPERATOR_HOST"), "127.0.0.1"), port))
	if err != nil {
		return nil, fmt.Errorf("port for operators: %w", err)
	}
	srv := web.NewHTTPServer(log, h)
	srv.WriteTimeout = answerWithin
	return func(ctx context.Context) {
		stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
		defer stop()
		_ = srv.Serve(l) // until it is closed
	}, nil
}

package server

import (
	"context"
	"log/slog"
	"net/http"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/handover"
	"daprmall.dev/services/kit/web"
)

// Run serves at the app's address until ctx ends, then finishes the requests under way (20 s at most).
func Run(ctx context.Context, env config.Env, log *slog.Logger, h http.Handler) error {
	ports, err := handover.Open()
	if err != nil {
		return err
	}
	l, err := ports.Listen(env.Addr())
	if err != nil {
		return err
	}
	return web.Serve(ctx, log, web.NewHTTPServer(log, h), l, ports.Ready)
}

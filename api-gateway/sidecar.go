package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"daprmall.dev/api-gateway/internal/access"
	"daprmall.dev/api-gateway/internal/limit"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/sidecar"
)

// luaBinding runs scripts in Redis (components/redislua).
const luaBinding = "redis-lua"

// revocationsAtOnce keeps a page at about a megabyte: the sidecar client reads at most eight.
const revocationsAtOnce = "5000"

// revocations asks auth in the gateway's own name, without a user.
func revocations(dapr *sidecar.Client) access.Source {
	return func(ctx context.Context, since time.Time, after string) (authv1.Revocations, error) {
		query := url.Values{"limit": {revocationsAtOnce}}
		if !since.IsZero() {
			query.Set("since", since.UTC().Format(time.RFC3339Nano))
		}
		if after != "" {
			query.Set("after", after)
		}
		path := authv1.PathRevocations + "?" + query.Encode()
		var list authv1.Revocations
		err := dapr.Invoke(ctx, sidecar.Request{App: "auth", Method: http.MethodGet, Path: path, Out: &list, System: true})
		return list, err
	}
}

func script(dapr *sidecar.Client) limit.Script {
	return func(ctx context.Context, operation string, in, out any) error {
		return dapr.Bind(ctx, luaBinding, operation, in, out)
	}
}

// follow keeps the settings current.
func follow(live *config.Live, dapr *sidecar.Client, log *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		if err := firstSettings(ctx, live, dapr); err != nil && ctx.Err() == nil {
			log.Warn("nothing is served until the settings are known", "error", err)
		}
		live.Run(ctx)
	}
}

// firstSettings polls more often than Run does, for a limited time.
func firstSettings(ctx context.Context, live *config.Live, dapr *sidecar.Client) error {
	ctx, cancel := context.WithTimeout(ctx, settingsWithin)
	defer cancel()
	for {
		err := dapr.Wait(ctx)
		if err == nil {
			err = live.Refresh(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

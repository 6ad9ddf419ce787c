package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"daprmall.dev/api-gateway/internal/access"
	"daprmall.dev/api-gateway/internal/limit"
	"daprmall.dev/api-gateway/internal/orderstream"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/sidecar"
)

// luaBinding runs scripts in Redis (components/redislua).
const luaBinding = "redis-lua"

// revocationsPageSize keeps a page at about 1 MB: the sidecar's client reads answers of at most 8 MiB.
const revocationsPageSize = "5000"

// revocationSource reads pages of auth's list of revocations. It is a system call: it carries no user's token.
func revocationSource(dapr *sidecar.Client) access.Source {
	return func(ctx context.Context, since time.Time, after string) (authv1.Revocations, error) {
		query := url.Values{"limit": {revocationsPageSize}}
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

// orderSource reads what open streams of orders tell: a history for its user, changes as the gateway itself.
func orderSource(dapr *sidecar.Client) orderstream.Source {
	return orderstream.Source{
		History: func(ctx context.Context, orderID string) (orderv1.History, error) {
			var history orderv1.History
			err := dapr.Invoke(ctx, sidecar.Request{App: "order", Method: http.MethodPost, Path: orderv1.PathHistory,
				In: orderv1.GetRequest{OrderID: orderID}, Out: &history})
			return history, err
		},
		Changes: func(ctx context.Context, after string) (orderv1.Changes, error) {
			var changes orderv1.Changes
			err := dapr.Invoke(ctx, sidecar.Request{App: "order", Method: http.MethodPost, Path: orderv1.PathChanges,
				In: orderv1.ChangesRequest{After: after}, Out: &changes, System: true})
			return changes, err
		},
	}
}

// luaScript calls the binding for the limits of sign-in.
func luaScript(dapr *sidecar.Client) limit.Script {
	return func(ctx context.Context, operation string, in, out any) error {
		return dapr.Bind(ctx, luaBinding, operation, in, out)
	}
}

// followSettings returns the worker that keeps the settings current.
func followSettings(live *config.Live, dapr *sidecar.Client, log *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		if err := firstSettings(ctx, live, dapr); err != nil && ctx.Err() == nil {
			log.Warn("nothing is served until the settings are known", "error", err)
		}
		live.Run(ctx)
	}
}

// firstSettings reads the settings once. It retries more often than live.Run does, for settingsWithin: until then the
// gateway answers 503.
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

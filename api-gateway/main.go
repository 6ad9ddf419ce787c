// Command api-gateway is the mall's public entrance: it authenticates callers, applies policy and limits, and forwards
// requests to the services through its sidecar.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/goccy/go-yaml"

	"daprmall.dev/api-gateway/internal/access"
	"daprmall.dev/api-gateway/internal/edge"
	"daprmall.dev/api-gateway/internal/limit"
	"daprmall.dev/api-gateway/internal/orderstream"
	"daprmall.dev/api-gateway/internal/storefront"
	built "daprmall.dev/api-gateway/storefront"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/handover"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/telemetry"
	"daprmall.dev/services/kit/web"
)

// maxFiles is how many files are in memory at a time: up to 64 MiB. A user sends one at a time.
const maxFiles = 4

func main() {
	debug.SetGCPercent(400) // as app.Main does, for the reason given there
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env, err := config.FromEnv()
	if err != nil {
		return err
	}
	log := telemetry.Logger(os.Stderr, env.AppID, env.Instance, slog.LevelInfo)
	dapr, err := sidecar.New(env)
	if err != nil {
		return err
	}
	opening, cancel := context.WithTimeout(ctx, openFor)
	defer cancel()
	if err := dapr.Wait(opening); err != nil {
		return err
	}
	if err := dapr.UsePeerKeys(opening); err != nil {
		return err
	}
	metrics := edge.NewMetrics()
	live := config.NewLive(dapr, nil, log)
	cfg, err := declareSettings(live, metrics.PolicyRefused)
	if err != nil {
		return fmt.Errorf("default settings: %w", err)
	}
	contract, err := yaml.YAMLToJSON(openAPI)
	if err != nil {
		return fmt.Errorf("contract: %w", err)
	}
	shown, err := pictures()
	if err != nil {
		return fmt.Errorf("pictures: %w", err)
	}
	shop, err := storefront.New(built.Files())
	if err != nil {
		return fmt.Errorf("storefront: %w", err)
	}
	revoked := access.NewRevocations(revocationSource(dapr), log)
	orders := orderstream.New(orderSource(dapr), cfg.maxStreams, log)
	context.AfterFunc(ctx, orders.End)
	deps := edge.Deps{
		Guard: &access.Guard{Verify: identity.NewVerifier(dapr.Keys).Verify, Revoked: revoked, Policy: cfg.policy},
		Proxy: edge.NewProxy(fmt.Sprintf("http://127.0.0.1:%d", env.DaprHTTPPort), env.DaprAPIToken, dapr.PeerKey,
			metrics.DaprError),
		Limits: edge.Limits{
			Addresses: limit.NewBuckets(cfg.anonymous),
			Users:     limit.NewBuckets(cfg.user),
			SignIn: &limit.SignIn{Script: luaScript(dapr), Address: cfg.signIn, Account: cfg.account, Place: cfg.place,
				OnError: metrics.LimitBroken, Log: log},
			Declined: limit.NewBuckets(cfg.declined), DeclinedAt: limit.NewBuckets(cfg.declinedAt),
			Admission: limit.NewAdmission(cfg.maxInFlight),
			Bodies:    limit.NewShares(cfg.maxInFlight),
			Files:     limit.NewShares(func() int64 { return maxFiles }),
			Streams:   limit.NewShares(cfg.maxInFlight),
			Answers:   limit.NewAnswers(),
		},
		Shared:  edge.NewShared(cfg.keepFor),
		Orders:  orders,
		Origins: cfg.origins,
		Metrics: metrics, TrustedProxies: cfg.proxies, MissingSettings: live.Missing,
		Settings: live.States, OpenAPI: openAPI, OpenAPIJSON: contract,
		Pictures: shown, Shop: shop,
		Checks: []web.Check{
			{Name: "sidecar", Ask: dapr.Ready},
			{Name: "revocations", Ask: revoked.Ready},
			{Name: "settings", Ask: func(context.Context) error { return web.MissingSettings(live.Missing()) }},
		},
	}
	metrics.Gauge("mall_gateway_revocations_age_seconds", "Age of the list of revocations.",
		func() float64 { return revoked.Age().Seconds() })
	metrics.Gauge("mall_settings_missing", "Settings that are needed and not known: nothing is served.",
		func() float64 { return float64(len(live.Missing())) })
	metrics.Gauge("mall_settings_lost", "Settings that the configuration store has lost: their last good values are used.",
		func() float64 { return float64(live.Lost()) })
	metrics.Register(config.Metrics(live))
	metrics.Gauge("mall_gateway_shared_answers_bytes", "Size of the answers that are kept for everybody.",
		func() float64 { return float64(deps.Shared.Bytes()) })
	metrics.Gauge("mall_gateway_order_streams", "Open event streams of orders.",
		func() float64 { return float64(orders.Streams()) })
	metrics.Gauge("mall_gateway_in_flight", "Requests being served.",
		func() float64 { return float64(deps.Limits.Admission.InFlight()) })

	ports, err := handover.Open()
	if err != nil {
		return err
	}
	operators, err := serveOperators(ports, log, metrics.Handler())
	if err != nil {
		return err
	}
	return serve(ctx, ports, env.Addr(), log, edge.Handler(log, deps), deps.Checks,
		operators, revoked.Run, followSettings(live, dapr, log))
}

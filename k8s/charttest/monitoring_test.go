package charttest

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

const alerts = directory + "/monitoring/alerts.yaml"

func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(alerts, false, model.UTF8Validation, parser.NewParser(parser.Options{}),
		slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var all []rulefmt.Rule
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// Prometheus reads the alerts; each says what has happened, what to do, and how urgent it is.
func TestAlertsAreComplete(t *testing.T) {
	runbook, err := os.ReadFile(filepath.Join("..", "..", "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules(t) {
		if r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
			t.Errorf("%s has no summary or no action", r.Alert)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
		if !strings.Contains(string(runbook), "`"+r.Alert+"`") {
			t.Errorf("docs/runbook.md does not name %s", r.Alert)
		}
	}
}

// Every query of the dashboard is one.
func TestDashboardQueriesParse(t *testing.T) {
	raw, err := os.ReadFile(directory + "/monitoring/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(target.Expr); err != nil {
				t.Errorf("%s: %v", p.Title, err)
			}
		}
	}
}

// The conditions of the alerts hold when they should, and not on a mall that is well. Each case has series in
// Prometheus' notation, a value a minute.
func TestAlertsFire(t *testing.T) {
	const well = `
  mall_http_request_seconds_count{service="api-gateway",route="/v1/cart",status="200"} 0+600x30
  mall_http_request_seconds_count{service="api-gateway",route="/v1/cart",status="503"} 0x30
  mall_http_request_seconds_bucket{service="api-gateway",route="/v1/cart",le="0.25"} 0+600x30
  mall_http_request_seconds_bucket{service="api-gateway",route="/v1/cart",le="+Inf"} 0+600x30
  up{service="order",job="app"} 1x30
  mall_breaker_state{service="cart",app="product",route="GET /x"} 0x30
  mall_settings_missing{service="order"} 0x30
  mall_settings_lost{service="order"} 0x30
  mall_gateway_revocations_age_seconds{service="api-gateway"} 1x30
  mall_payment_refunds_parked{service="payment"} 0x30
  mall_payment_refunds_failed{service="payment"} 0x30
  mall_payment_waiting{service="payment",provider="stripe"} 0x30
  mall_payment_disputes_open{service="payment"} 0x30
  mall_inbox_parked{service="order"} 0x30
  mall_outbox_publish_failures_total{service="order"} 3x30
  mall_outbox_publish_lag_seconds_bucket{service="order",le="1"} 0+60x30
  mall_outbox_publish_lag_seconds_bucket{service="order",le="+Inf"} 0+60x30
  mall_inbox_stalled_total{service="order"} 1x30
  mall_inbox_repaired_total{service="order"} 7x30
  mall_inbox_feed_read_timestamp_seconds{service="order",source="product"} 0+60x30
  mall_inbox_feed_gone{service="order",source="product"} 0x30
  mall_inbox_feed_forked_total{service="order",source="product"} 2x30
  mall_product_ledger_restored_total{service="product"} 1x30
  mall_secret_read_timestamp_seconds{service="order",secret="order-db"} 0+60x30
`
	ill := map[string]string{
		"MallRequestsFail": `mall_http_request_seconds_count{service="api-gateway",route="/v1/orders",status="503"} 0+60x30`,
		"MallIsSlow": `mall_http_request_seconds_bucket{service="api-gateway",route="/v1/orders",le="5"} 0+600x30
  mall_http_request_seconds_bucket{service="api-gateway",route="/v1/orders",le="+Inf"} 0+600x30`,
		"MallServiceDown":        `up{service="cart"} 0x30`,
		"MallServiceGone":        `up{service="cart",job="app"} 1x10 _x20`,
		"MallBreakerOpen":        `mall_breaker_state{service="checkout",app="order",route="POST /x"} 2x30`,
		"MallSettingsMissing":    `mall_settings_missing{service="payment"} 1x30`,
		"MallRevocationsOld":     `mall_gateway_revocations_age_seconds{service="api-gateway",pod="b"} 25x30`,
		"MallRefundsParked":      `mall_payment_refunds_parked{service="payment",pod="b"} 1x30`,
		"MallRefundsFail":        `mall_payment_refunds_failed{service="payment",pod="b"} 1x30`,
		"MallPaymentsWait":       `mall_payment_waiting{service="payment",provider="other"} 1x30`,
		"MallDisputesOpen":       `mall_payment_disputes_open{service="payment",pod="b"} 1x30`,
		"MallEventsParked":       `mall_inbox_parked{service="cart"} 2x30`,
		"MallEventsNotPublished": `mall_outbox_publish_failures_total{service="payment"} 0+5x30`,
		"MallEventsLate": `mall_outbox_publish_lag_seconds_bucket{service="payment",le="60"} 0+60x30
  mall_outbox_publish_lag_seconds_bucket{service="payment",le="+Inf"} 0+60x30`,
		"MallSubscriptionStalled": `mall_inbox_stalled_total{service="cart"} 0x25 1x5`,
		"MallBrokerLostEvents":    `mall_inbox_repaired_total{service="cart"} 0x25 4x5`,
		"MallFeedUnread":          `mall_inbox_feed_read_timestamp_seconds{service="cart",source="order"} 60x30`,
		"MallFeedGone":            `mall_inbox_feed_gone{service="cart",source="order"} 1x30`,
		"MallDatabaseRestored":    `mall_inbox_feed_forked_total{service="cart",source="order"} 0x20 1x10`,
		"MallSettingsLost":        `mall_settings_lost{service="cart"} 4x30`,
		"MallSecretsUnread":       `mall_secret_read_timestamp_seconds{service="cart",secret="cart-db"} 60x30`,
	}
	const at = 30 * time.Minute
	for _, r := range rules(t) {
		series, ok := ill[r.Alert]
		if !ok {
			t.Errorf("%s has no case", r.Alert)
			continue
		}
		if found := query(t, well, r.Expr, at); found != 0 {
			t.Errorf("%s holds on a mall that is well", r.Alert)
		}
		if found := query(t, well+"  "+series+"\n", r.Expr, at); found == 0 {
			t.Errorf("%s does not hold", r.Alert)
		}
	}
}

// query returns how many series an expression has at a time.
func query(t *testing.T, series, expr string, at time.Duration) int {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 1m"+series)
	defer storage.Close() //nolint:errcheck // in memory
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	q, err := engine.NewInstantQuery(t.Context(), storage, nil, expr, time.Unix(0, 0).Add(at))
	if err != nil {
		t.Fatal(err)
	}
	result := q.Exec(t.Context())
	vector, err := result.Vector()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return len(vector)
}

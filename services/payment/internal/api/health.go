package api

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/payment/internal/payment"
)

// Health has the metrics of work that waits for an operator.
type Health struct {
	read                     func(ctx context.Context) (payment.Health, error)
	log                      *slog.Logger
	waiting                  *prometheus.GaugeVec
	failed, parked, disputes prometheus.Gauge
	last                     atomic.Pointer[string] // providers that have work and are not set up
}

// NewHealth makes the metrics of payments.
func NewHealth(reg prometheus.Registerer, payments *payment.Service, log *slog.Logger) *Health {
	f := promauto.With(reg)
	return &Health{read: payments.Health, log: log,
		waiting: f.NewGaugeVec(prometheus.GaugeOpts{Name: "mall_payment_waiting",
			Help: "Attempts and refunds that wait because their provider is not set up."}, []string{"provider"}),
		failed: f.NewGauge(prometheus.GaugeOpts{Name: "mall_payment_refunds_failed",
			Help: "Refunds that failed: the money is not back."}),
		parked: f.NewGauge(prometheus.GaugeOpts{Name: "mall_payment_refunds_parked",
			Help: "Of these, those that only an operator tries again."}),
		disputes: f.NewGauge(prometheus.GaugeOpts{Name: "mall_payment_disputes_open",
			Help: "Charges that cardholders contest."}),
	}
}

// Update sets the metrics, and logs once when work waits for a provider that is not set up.
func (h *Health) Update(ctx context.Context) error {
	health, err := h.read(ctx)
	if err != nil {
		return fmt.Errorf("health of payments: %w", err)
	}
	h.waiting.Reset()
	for provider, n := range health.Waiting {
		h.waiting.WithLabelValues(provider).Set(float64(n))
	}
	h.failed.Set(float64(health.Failed))
	h.parked.Set(float64(health.Parked))
	h.disputes.Set(float64(health.Disputes))
	missing := strings.Join(slices.Sorted(maps.Keys(health.Waiting)), ", ")
	if last := h.last.Swap(&missing); missing != "" && (last == nil || *last != missing) {
		h.log.Error("payments and refunds wait for a provider that is not set up: bring its secret back and restart",
			"providers", missing)
	}
	return nil
}

// Check is the entry of /readyz.
func (h *Health) Check() web.Check {
	return web.Check{Name: "providers", Soft: true, Ask: func(context.Context) error {
		if last := h.last.Load(); last != nil && *last != "" {
			return web.UnmetError("not set up, and payments wait for it: " + *last)
		}
		return nil
	}}
}

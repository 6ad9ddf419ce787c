package api

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"daprmall.dev/services/product/internal/inventory"
)

// metrics is inventory.Metrics on /metrics.
type metrics struct {
	misses, rejected, corrected, restored, capped prometheus.Counter
	expired                                       *prometheus.CounterVec
}

// NewMetrics registers the service's counters.
func NewMetrics(reg prometheus.Registerer) inventory.Metrics {
	f := promauto.With(reg)
	return metrics{
		misses: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_product_gate_misses_total",
			Help: "Products that a buyer found missing in the gate; they were rebuilt.",
		}),
		rejected: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_product_rejections_total",
			Help: "Placed orders whose stock was not there: the gate had lost holds.",
		}),
		corrected: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_product_gate_corrections_total",
			Help: "Products that convergence found different in the gate.",
		}),
		restored: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_product_ledger_restored_total",
			Help: "Times the gate had changes that the ledger had lost.",
		}),
		capped: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_product_refused_by_cap_total",
			Help: "Holds refused because the shopper would hold too many units of a product (checkout.max_held_units).",
		}),
		expired: f.NewCounterVec(prometheus.CounterOpts{
			Name: "mall_product_holds_expired_total",
			Help: "Holds whose time was over, by what became of them.",
		}, []string{"outcome"}),
	}
}

func (m metrics) GateMisses(n int)           { m.misses.Add(float64(n)) }
func (m metrics) Rejected()                  { m.rejected.Inc() }
func (m metrics) HoldExpired(outcome string) { m.expired.WithLabelValues(outcome).Inc() }
func (m metrics) Corrected(n int)            { m.corrected.Add(float64(n)) }
func (m metrics) RefusedByCap()              { m.capped.Inc() }
func (m metrics) LedgerRestored()            { m.restored.Inc() }

package api

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"daprmall.dev/services/product/internal/product"
)

// meter is product.Meter on /metrics.
type meter struct {
	misses, rejected, corrected, restored prometheus.Counter
	expired                               *prometheus.CounterVec
}

// NewMeter registers the room's counters.
func NewMeter(reg prometheus.Registerer) product.Meter {
	f := promauto.With(reg)
	return meter{
		misses:    f.NewCounter(prometheus.CounterOpts{Name: "mall_product_gate_misses_total", Help: "Products that a buyer found missing in the gate; they were rebuilt."}),
		rejected:  f.NewCounter(prometheus.CounterOpts{Name: "mall_product_rejections_total", Help: "Placed orders whose stock was not there: the gate had lost holds."}),
		corrected: f.NewCounter(prometheus.CounterOpts{Name: "mall_product_gate_corrections_total", Help: "Products that convergence found different in the gate."}),
		restored:  f.NewCounter(prometheus.CounterOpts{Name: "mall_product_ledger_restored_total", Help: "Times the gate had changes that the ledger had lost."}),
		expired:   f.NewCounterVec(prometheus.CounterOpts{Name: "mall_product_holds_expired_total", Help: "Holds whose time was over, by what became of them."}, []string{"outcome"}),
	}
}

func (m meter) GateMisses(n int)           { m.misses.Add(float64(n)) }
func (m meter) Rejected()                  { m.rejected.Inc() }
func (m meter) HoldExpired(outcome string) { m.expired.WithLabelValues(outcome).Inc() }
func (m meter) Corrected(n int)            { m.corrected.Add(float64(n)) }
func (m meter) LedgerRestored()            { m.restored.Inc() }

package edge

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"daprmall.dev/services/kit/bulk"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/web"
)

// Metrics are what the gateway counts. Labels are route templates and codes, never ids.
type Metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.HistogramVec
	limited       *prometheus.CounterVec
	dapr          *prometheus.CounterVec
	limitBroken   prometheus.Counter
	policyRefused prometheus.Counter
	unreadCut     prometheus.Counter
	declined      prometheus.Counter
	shared        *prometheus.CounterVec
}

// NewMetrics makes a registry of its own, so that a process can have two gateways (tests do).
func NewMetrics() *Metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(sidecar.BreakerMetrics()...)
	r.MustRegister(bulk.Metrics()...)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f := promauto.With(r)
	return &Metrics{
		registry: r,
		requests: web.NewRequestSeconds(r),
		limited: f.NewCounterVec(prometheus.CounterOpts{
			Name: "mall_gateway_limited_total",
			Help: "Requests refused by a limit: address, user, signin, password, declined, declined_address, bodies, files, " +
				"streams, admission.",
		}, []string{"limit"}),
		dapr: f.NewCounterVec(prometheus.CounterOpts{
			Name: "mall_gateway_dapr_errors_total", Help: "Answers that Dapr made in place of a service.",
		}, []string{"app", "code"}),
		declined: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_gateway_declined_cards_total", Help: "Payments whose card was declined.",
		}),
		shared: f.NewCounterVec(prometheus.CounterOpts{
			Name: "mall_gateway_shared_answers_total",
			Help: "Answers that are the same for everybody, by where they came from: kept, fetched, or stale because the " +
				"service did not answer.",
		}, []string{"from"}),
		unreadCut: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_gateway_unread_answers_cut_total",
			Help: "Answers cut off because their client had too many that it did not read.",
		}),
		limitBroken: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_gateway_signin_limit_unavailable_total",
			Help: "Sign-ins let through because the distributed limit could not be asked.",
		}),
		policyRefused: f.NewCounter(prometheus.CounterOpts{
			Name: "mall_gateway_policy_refused_total",
			Help: "Policies from the configuration store that were refused; the last good one stayed.",
		}),
	}
}

// DaprError counts an answer that Dapr gave instead of a service.
func (m *Metrics) DaprError(app, code string) { m.dapr.WithLabelValues(app, code).Inc() }

// LimitBroken counts a sign-in that the distributed limit did not check.
func (m *Metrics) LimitBroken() { m.limitBroken.Inc() }

func (m *Metrics) cutOff() { m.unreadCut.Inc() }

// PolicyRefused counts a rejected policy.
func (m *Metrics) PolicyRefused() { m.policyRefused.Inc() }

// Register adds another collector; call it before the gateway serves.
func (m *Metrics) Register(c prometheus.Collector) { m.registry.MustRegister(c) }

// Gauge adds a gauge that is read on every scrape.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	promauto.With(m.registry).NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
}

func (m *Metrics) observe(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Handler serves /metrics to operators.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
	return mux
}

package web

import (
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// NewRequestSeconds makes the histogram of answers, with the labels of RouteLabels and the status.
func NewRequestSeconds(r prometheus.Registerer) *prometheus.HistogramVec {
	return promauto.With(r).NewHistogramVec(prometheus.HistogramOpts{
		Name:    "mall_http_request_seconds",
		Help:    "Time to answer a request, by route pattern and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25},
	}, []string{"method", "route", "status"})
}

// RouteLabels returns the method and the route pattern of a request. Unknown routes share one pair, so that clients
// cannot create series.
func RouteLabels(c *gin.Context) (method, route string) {
	if route = c.FullPath(); route == "" {
		return "any", "unknown"
	}
	return c.Request.Method, route
}

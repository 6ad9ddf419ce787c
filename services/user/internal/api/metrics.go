package api

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/user/internal/user"
)

// Metrics registers the number of admins, so that operators see a mall without one.
func Metrics(users *user.Service) {
	prometheus.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mall_user_admins", Help: "Admins who are not banned.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		n, err := users.CountAdmins(ctx)
		if err != nil {
			return math.NaN()
		}
		return float64(n)
	}))
}

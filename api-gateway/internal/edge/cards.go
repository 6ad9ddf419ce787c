package edge

import (
	"net/http"
	"time"

	"daprmall.dev/api-gateway/internal/limit"
	"github.com/gin-gonic/gin"
)

// forwardPayment forwards a payment within the limits for declined cards: whoever has a list of stolen cards would find
// out which of them are good. Only a declined card counts, so any number of good ones pass at once; those that were let
// in together and declined make the wait the longer. A stored answer to a repeated request is no new try.
func (g *Gateway) forwardPayment(c *gin.Context, client string, out call) error {
	limits := []struct {
		name, who string
		buckets   *limit.Buckets
	}{{"declined", out.user, g.Limits.Declined}, {"declined_address", client, g.Limits.DeclinedAt}}
	for _, l := range limits {
		if ok, retry := l.buckets.Check(l.who, time.Now()); !ok {
			g.Metrics.limited.WithLabelValues(l.name).Inc()
			return errTooManyRequests(retry)
		}
	}
	err := g.Proxy.Forward(c.Writer, c.Request, out)
	if c.Writer.Status() == http.StatusPaymentRequired && c.Writer.Header().Get("Idempotent-Replayed") == "" {
		g.Metrics.declined.Inc()
		for _, l := range limits {
			l.buckets.Charge(l.who, time.Now())
		}
	}
	return err
}

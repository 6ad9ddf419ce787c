package edge

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// forwardPayment forwards a payment within the limits for declined cards: whoever has a list of stolen cards would find
// out which of them are good. A payment reserves a token of the user and one of the client address, so that many at
// once do not pass, and takes them if the card was declined. A stored answer to a repeated request is no new try.
func (g *Gateway) forwardPayment(c *gin.Context, client string, out call) error {
	ofUser, ok, retry := g.Limits.Declined.Borrow(out.user, time.Now())
	if !ok {
		g.Metrics.limited.WithLabelValues("declined").Inc()
		return errTooManyRequests(retry)
	}
	declined := false
	defer func() { ofUser(declined) }()
	ofAddress, ok, retry := g.Limits.DeclinedAt.Borrow(client, time.Now())
	if !ok {
		g.Metrics.limited.WithLabelValues("declined_address").Inc()
		return errTooManyRequests(retry)
	}
	defer func() { ofAddress(declined) }()
	err := g.Proxy.Forward(c.Writer, c.Request, out)
	declined = c.Writer.Status() == http.StatusPaymentRequired && c.Writer.Header().Get("Idempotent-Replayed") == ""
	if declined {
		g.Metrics.declined.Inc()
	}
	return err
}

package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/order/internal/order"
)

// soldBody is what a seller sees of an order.
type soldBody struct {
	OrderID string           `json:"order_id"`
	Status  string           `json:"status"`
	PaidAt  time.Time        `json:"paid_at"`
	Lines   []orderv1.Line   `json:"lines"`
	Address *orderv1.Address `json:"address,omitempty"` // while the order is paid
}

func soldBodyOf(s order.Sold) soldBody {
	return soldBody{OrderID: string(s.OrderID), Status: string(s.Status), PaidAt: s.PaidAt, Lines: linesOf(s.Lines),
		Address: (*orderv1.Address)(s.Address)}
}

func (h handler) listSold(c *gin.Context) error {
	if err := web.OnlyQuery(c, "status", "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	status, given := c.GetQuery("status")
	if given && !slices.Contains([]order.Status{order.Paid, order.Cancelled, order.Refunded}, order.Status(status)) {
		return errNoStatus
	}
	before, err := page.After(c)
	if err != nil {
		return err
	}
	found, err := h.orders.ListSold(c.Request.Context(), web.User(c).ID, order.Status(status), order.ID(before), size+1)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, page.ByID(found, size, func(s order.Sold) string { return string(s.OrderID) }, soldBodyOf))
	return nil
}

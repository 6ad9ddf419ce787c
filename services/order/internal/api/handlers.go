package api

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/order/internal/order"
)

var refusedByCap = promauto.NewCounter(prometheus.CounterOpts{
	Name: "mall_order_refused_by_cap_total",
	Help: "Checkouts refused because the shopper has too many unpaid orders (checkout.max_open_orders).",
})

type handler struct {
	orders *order.Service
	keys   *idempotency.Store
	out    *outbox.Outbox
}

var errNoStatus = problem.Validation(problem.Field{Field: "status", Message: "is not a status of these orders"})

func (h handler) list(c *gin.Context) error {
	if err := web.OnlyQuery(c, "status", "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	raw, given := c.GetQuery("status")
	status := order.Status(raw)
	if given &&
		!slices.Contains([]order.Status{order.AwaitingPayment, order.Paid, order.Cancelled, order.Refunded}, status) {
		return errNoStatus
	}
	before, err := page.After(c)
	if err != nil {
		return err
	}
	found, err := h.orders.List(c.Request.Context(), web.User(c).ID, status, order.ID(before), size+1)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, page.ByID(found, size, func(o *order.Order) string { return string(o.Snapshot().ID) }, view))
	return nil
}

func (h handler) show(c *gin.Context) error {
	id, err := web.ID(c, "id", "order")
	if err != nil {
		return err
	}
	u := web.User(c)
	o, err := h.orders.Show(c.Request.Context(), order.ID(id), order.Viewer{UserID: u.ID, Admin: u.Is(identity.Admin)})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, view(o))
	return nil
}

func (h handler) cancel(c *gin.Context) error {
	id, err := web.ID(c, "id", "order")
	if err != nil {
		return err
	}
	key, err := server.Keyed(c, h.keys)
	if err != nil {
		return err
	}
	answer, err := h.orders.CancelOnce(c.Request.Context(), key, order.ID(id),
		func(o *order.Order) (keyed.Answer, error) { return keyed.JSON(http.StatusOK, view(o)) })
	return server.WriteAnswer(c, answer, err)
}

func (h handler) create(c *gin.Context) error {
	var in orderv1.CreateRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) {
		return problem.Validation(problem.Field{Field: "order_id", Message: "is not an id"})
	}
	maxOpen, err := web.WholeNumber(c, orderv1.QueryMaxOpen)
	if err != nil {
		return err
	}
	lines := make([]order.Line, len(in.Lines))
	for i, l := range in.Lines {
		lines[i] = order.Line{
			ProductID: l.ProductID,
			SellerID:  l.SellerID,
			Name:      l.Name,
			Price:     l.Price,
			Quantity:  l.Quantity,
			ImageURL:  l.ImageURL,
		}
	}
	o, err := h.orders.Place(
		c.Request.Context(),
		order.Draft{ID: order.ID(in.OrderID), UserID: web.User(c).ID, Lines: lines,
			Address: order.Address(in.Address), Shipping: in.Shipping, Currency: in.Currency, FromCart: in.FromCart,
			MaxOpen: maxOpen},
	)
	if problem.CodeOf(err) == "too_many_open_orders" {
		refusedByCap.Inc()
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, view(o))
	return nil
}

func (h handler) address(c *gin.Context) error {
	var in orderv1.AddressRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) {
		return problem.NewNotFound("order")
	}
	o, err := h.orders.ChangeAddress(c.Request.Context(), order.ID(in.OrderID), web.User(c).ID, order.Address(in.Address))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, view(o))
	return nil
}

func (h handler) cancelForOperator(c *gin.Context) error {
	if !web.User(c).Is(identity.Admin) {
		return errNotAdmin
	}
	var in orderv1.CancelRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) || !ids.Valid(in.EffectID) {
		return problem.Validation(problem.Field{Field: "order_id", Message: "and effect_id must be ids"})
	}
	o, err := h.orders.CancelForOperator(c.Request.Context(), order.ID(in.OrderID), in.EffectID)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, view(o))
	return nil
}

func (h handler) fence(c *gin.Context) error {
	var in orderv1.FenceRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) {
		return problem.Validation(problem.Field{Field: "order_id", Message: "is not an id"})
	}
	exists, err := h.orders.Fence(c.Request.Context(), order.ID(in.OrderID))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, orderv1.FenceAnswer{Exists: exists})
	return nil
}

func (h handler) payable(c *gin.Context) error {
	var in orderv1.GetRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) {
		c.JSON(http.StatusOK, orderv1.Payable{})
		return nil
	}
	o, err := h.orders.Find(c.Request.Context(), order.ID(in.OrderID))
	if problem.KindOf(err) == problem.NotFound {
		c.JSON(http.StatusOK, orderv1.Payable{})
		return nil
	}
	if err != nil {
		return err
	}
	s := o.Snapshot()
	c.JSON(http.StatusOK, orderv1.Payable{Found: true, OrderID: string(s.ID), UserID: s.UserID, Status: string(s.Status),
		Total: s.Total, Currency: s.Currency, PaymentDueAt: s.PaymentDueAt})
	return nil
}

// view shows an order as the contract has it.
func view(o *order.Order) orderv1.Order {
	s := o.Snapshot()
	v := orderv1.Order{
		ID:           string(s.ID),
		Status:       string(s.Status),
		Address:      orderv1.Address(s.Address),
		Subtotal:     s.Subtotal,
		Shipping:     s.Shipping,
		Total:        s.Total,
		Currency:     s.Currency,
		PaymentDueAt: s.PaymentDueAt,
		CancelReason: string(s.CancelReason),
		CreatedAt:    s.CreatedAt,
		UpdatedAt:    s.UpdatedAt,
		Lines:        linesOf(s.Lines),
		History:      make([]orderv1.Change, len(s.History)),
	}
	for i, c := range s.History {
		v.History[i] = change(c)
	}
	return v
}

func linesOf(lines []order.Line) []orderv1.Line {
	out := make([]orderv1.Line, len(lines))
	for i, l := range lines {
		out[i] = orderv1.Line{
			ProductID: l.ProductID,
			SellerID:  l.SellerID,
			Name:      l.Name,
			Price:     l.Price,
			Quantity:  l.Quantity,
			LineTotal: l.Total(),
			ImageURL:  l.ImageURL,
		}
	}
	return out
}

package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/order/internal/order"
)

// adminBody is an order with what an admin needs to find out why it is as it is.
type adminBody struct {
	orderv1.Order
	UserID    string      `json:"user_id"`
	PaymentID string      `json:"payment_id,omitempty"` // of the payment that made it paid
	Events    []eventBody `json:"events"`
}

// eventBody is an event that order has written.
type eventBody struct {
	ID          string     `json:"id"`
	Type        string     `json:"type"`
	Version     int64      `json:"aggregate_version"`
	TraceID     string     `json:"trace_id,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
	PublishedAt *time.Time `json:"published_at"` // null: the broker has not accepted it yet
}

func (h handler) showToAdmin(c *gin.Context) error {
	u := web.User(c)
	if !u.Is(identity.Admin) {
		return errNotAdmin
	}
	id, err := web.ID(c, "id", "order")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	o, err := h.orders.Show(ctx, order.ID(id), order.Viewer{UserID: u.ID, Admin: true})
	if err != nil {
		return err
	}
	written, err := h.out.History(ctx, orderv1.Topic, id)
	if err != nil {
		return err
	}
	s := o.Snapshot()
	body := adminBody{Order: view(o), UserID: s.UserID, PaymentID: s.PaymentID, Events: make([]eventBody, len(written))}
	for i, w := range written {
		body.Events[i] = eventBodyOf(w)
	}
	c.JSON(http.StatusOK, body)
	return nil
}

func eventBodyOf(w outbox.Written) eventBody {
	return eventBody{ID: w.ID, Type: w.Type, Version: w.Version, TraceID: w.TraceID, CreatedAt: w.CreatedAt,
		PublishedAt: w.PublishedAt}
}

var errNotAdmin = problem.New(problem.Forbidden, "forbidden", "Only an admin may do this.")

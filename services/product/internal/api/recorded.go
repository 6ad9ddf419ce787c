package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/web"
)

// recordedBody is what the ledger has recorded of an order.
type recordedBody struct {
	Reservations []reservationBody `json:"reservations"`
	RejectedAt   *time.Time        `json:"rejected_at"` // null: its stock was there
}

type reservationBody struct {
	ProductID string    `json:"product_id"`
	Quantity  int64     `json:"quantity"`
	State     string    `json:"state"`
	Tracked   bool      `json:"stock_tracked"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (h handler) stockOfOrder(c *gin.Context) error {
	if !actor(c).Admin {
		return errNotAdmin
	}
	id, err := web.ID(c, "id", "order")
	if err != nil {
		return err
	}
	found, err := h.operator.StockOfOrder(c.Request.Context(), id)
	if err != nil {
		return err
	}
	body := recordedBody{Reservations: make([]reservationBody, len(found.Lines))}
	for i, l := range found.Lines {
		body.Reservations[i] = reservationBody{ProductID: l.ProductID, Quantity: l.Quantity, State: string(l.State),
			Tracked: !l.Untracked, CreatedAt: l.CreatedAt, UpdatedAt: l.UpdatedAt}
	}
	if !found.RejectedAt.IsZero() {
		body.RejectedAt = &found.RejectedAt
	}
	c.JSON(http.StatusOK, body)
	return nil
}

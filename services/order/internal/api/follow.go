package api

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/order/internal/order"
)

func (h handler) history(c *gin.Context) error {
	var in orderv1.GetRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) {
		return problem.NewNotFound("order")
	}
	entries, next, err := h.orders.History(c.Request.Context(), order.ID(in.OrderID), web.User(c).ID)
	if err != nil {
		return err
	}
	out := orderv1.History{Items: make([]orderv1.Change, len(entries)), Next: next}
	for i, e := range entries {
		out.Items[i] = change(e)
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func (h handler) changes(c *gin.Context) error {
	var in orderv1.ChangesRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if _, err := strconv.ParseUint(in.After, 10, 64); err != nil {
		return problem.Validation(problem.Field{Field: "after", Message: "is not a cursor"})
	}
	found, err := h.orders.Changes(c.Request.Context(), in.After)
	if err != nil {
		return err
	}
	out := orderv1.Changes{Items: make([]orderv1.OrderChange, len(found.Items)), Next: found.Next, Lost: found.Lost}
	for i, e := range found.Items {
		out.Items[i] = orderv1.OrderChange{OrderID: string(e.OrderID), Position: e.Position, Status: string(e.Status),
			At: e.At, Reason: string(e.Reason)}
	}
	c.JSON(http.StatusOK, out)
	return nil
}

// change shows an entry of a history as the contract has it.
func change(e order.HistoryEntry) orderv1.Change {
	return orderv1.Change{Status: string(e.Status), At: e.At, Reason: string(e.Reason)}
}

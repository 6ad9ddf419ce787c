package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/inventory"
)

// entryBody is an entry of a product's ledger.
type entryBody struct {
	Version       int64     `json:"version"` // of the stock
	Kind          string    `json:"kind"`
	OnHandDelta   int64     `json:"on_hand_delta"`
	ReservedDelta int64     `json:"reserved_delta"`
	OnHand        int64     `json:"on_hand"`
	Reserved      int64     `json:"reserved"`
	OrderID       string    `json:"order_id,omitempty"`
	UserID        string    `json:"user_id,omitempty"`
	Reason        string    `json:"reason,omitempty"`
	At            time.Time `json:"at"`
}

func entryBodyOf(e inventory.Entry) entryBody {
	return entryBody{Version: e.After.Version, Kind: string(e.Kind), OnHandDelta: e.OnHandDelta,
		ReservedDelta: e.ReservedDelta, OnHand: e.After.OnHand, Reserved: e.After.Reserved, OrderID: e.OrderID,
		UserID: e.Actor, Reason: e.Reason, At: e.At}
}

func (h handler) ledger(c *gin.Context) error {
	id, err := web.ID(c, "id", "product")
	if err != nil {
		return err
	}
	if err := web.OnlyQuery(c, "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	token, err := page.After(c)
	if err != nil {
		return err
	}
	before, err := strconv.ParseInt(token, 10, 64)
	if err != nil && token != "" {
		return page.BadToken()
	}
	found, err := h.catalog.Ledger(c.Request.Context(), id, actor(c), before, size+1)
	if err != nil {
		return err
	}
	version := func(e inventory.Entry) string { return strconv.FormatInt(e.After.Version, 10) }
	c.JSON(http.StatusOK, page.ByID(found, size, version, entryBodyOf))
	return nil
}

package store

import (
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/product/internal/inventory"
)

// writeStock writes balances, ledger entries and reservations by one statement, however many lines an order has: a
// round trip per line would keep the stock of popular products locked longer. adjustment is the id of the adjustment,
// "" for orders.
func writeStock(
	tx *gorm.DB, balances []inventory.Stock, entries []inventory.Entry, reservations []inventory.Reservation,
	adjustment string,
) error {
	if len(entries)+len(reservations) == 0 {
		return nil
	}
	type balance struct {
		ProductID string `json:"product_id"`
		OnHand    int64  `json:"on_hand"`
		Reserved  int64  `json:"reserved"`
		Version   int64  `json:"version"`
	}
	type entry struct {
		balance
		Kind          string `json:"kind"`
		OnHandDelta   int64  `json:"on_hand_delta"`
		ReservedDelta int64  `json:"reserved_delta"`
		Order         string `json:"order_id"`
		Actor         string `json:"actor"`
		Reason        string `json:"reason"`
	}
	type reservation struct {
		Order     string `json:"order_id"`
		ProductID string `json:"product_id"`
		Quantity  int64  `json:"quantity"`
		State     string `json:"state"`
		FromStock bool   `json:"from_stock"`
		Shopper   string `json:"user_id"`
		DueAt     string `json:"due_at"`
	}
	of := func(s inventory.Stock) balance { return balance{s.ProductID, s.OnHand, s.Reserved, s.Version} }
	bs, es, rs := []balance{}, []entry{}, []reservation{}
	for _, b := range balances {
		bs = append(bs, of(b))
	}
	for _, e := range entries {
		es = append(es, entry{of(e.After), string(e.Kind), e.OnHandDelta, e.ReservedDelta, e.OrderID, e.Actor, e.Reason})
	}
	for _, r := range reservations {
		due := ""
		if !r.DueAt.IsZero() {
			due = r.DueAt.Format(time.RFC3339Nano)
		}
		rs = append(rs, reservation{r.OrderID, r.ProductID, r.Quantity, string(r.State), !r.Untracked, r.ShopperID, due})
	}
	args := make([]any, 0, 4)
	for _, rows := range []any{bs, es, rs} {
		text, err := json.Marshal(rows)
		if err != nil {
			return err
		}
		args = append(args, string(text))
	}
	err := tx.Exec(`WITH balances AS (
			UPDATE stock s SET on_hand = b.on_hand, reserved = b.reserved, stock_version = b.version
			FROM jsonb_to_recordset(?::jsonb) AS b(product_id bigint, on_hand bigint, reserved bigint, version bigint)
			WHERE s.product_id = b.product_id
		), entries AS (
			INSERT INTO stock_ledger (product_id, stock_version, kind, on_hand_delta, reserved_delta, on_hand, reserved,
				order_id, actor, reason, adjustment_id)
			SELECT e.product_id, e.version, e.kind, e.on_hand_delta, e.reserved_delta, e.on_hand, e.reserved,
				nullif(e.order_id, '')::bigint, nullif(e.actor, '')::bigint, e.reason, nullif(?, '')::bigint
			FROM jsonb_to_recordset(?::jsonb) AS e(product_id bigint, version bigint, kind text, on_hand_delta bigint,
				reserved_delta bigint, on_hand bigint, reserved bigint, order_id text, actor text, reason text)
		)
		INSERT INTO reservations (order_id, product_id, quantity, state, from_stock, user_id, due_at)
		SELECT r.order_id, r.product_id, r.quantity, r.state, r.from_stock, nullif(r.user_id, '')::bigint,
			nullif(r.due_at, '')::timestamptz
		FROM jsonb_to_recordset(?::jsonb) AS r(order_id bigint, product_id bigint, quantity bigint, state text,
			from_stock boolean, user_id text, due_at text)
		ON CONFLICT (order_id, product_id) DO UPDATE SET state = excluded.state, updated_at = now()`,
		args[0], adjustment, args[1], args[2]).Error
	if err != nil {
		return fmt.Errorf("write stock: %w", err)
	}
	return nil
}

package store

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// selectOffersFor reads the products of pairs of a shopper and a product, with what unpaid orders of these shoppers
// have reserved of them, by shopper and order. The aggregate and OFFSET 0 make PostgreSQL search for each in an index,
// also if it plans the statement while there are few.
const selectOffersFor = `SELECT p.*, reserved FROM (
		SELECT product, jsonb_object_agg(shopper, orders) FILTER (WHERE orders IS NOT NULL) AS reserved
		FROM unnest(?::bigint[], ?::bigint[]) AS pair(shopper, product) CROSS JOIN LATERAL (
			SELECT jsonb_object_agg(r.order_id, r.quantity) AS orders FROM reservations r
			WHERE r.user_id = shopper AND r.product_id = product AND r.state = 'reserved' AND r.from_stock
		) own GROUP BY product
	) wanted CROSS JOIN LATERAL (` + selectOffer + `WHERE p.id = product OFFSET 0) p`

const maxHolds = 64 // that share a query

// heldQuestion is about the products of a hold.
type heldQuestion struct {
	ctx      context.Context //nolint:containedctx // of the caller: a trace, and a deadline if it asks alone
	shopper  int64           // 0: none
	products []int64
}

// heldAnswer has the products, and what unpaid orders of the shopper have reserved of them.
type heldAnswer struct {
	offers []catalog.Offer
	unpaid []inventory.OwnUnits
}

// newHeld makes the group of OffersFor.
func (s *Store) newHeld() *batch.Group[heldQuestion, heldAnswer] {
	return batch.New(maxHolds, queryPatience, func(all []heldQuestion) []batch.Result[heldAnswer] {
		ctx := all[0].ctx
		if len(all) > 1 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
			defer cancel()
		}
		return answerHeld(s.db.WithContext(ctx), all)
	})
}

// OffersFor implements catalog.Store. Questions that wait at the same time share a query.
func (s *Store) OffersFor(ctx context.Context, shopperID string, ids []string) ([]catalog.Offer, []inventory.OwnUnits,
	error) {
	q := heldQuestion{ctx: ctx}
	if shopperID != "" {
		var err error
		if q.shopper, err = parseID(shopperID); err != nil {
			return nil, nil, err
		}
	}
	for _, id := range ids {
		if n, err := parseID(id); err == nil {
			q.products = append(q.products, n)
		}
	}
	answer, err := s.held.Do(ctx, q)
	return answer.offers, answer.unpaid, err
}

func answerHeld(db *gorm.DB, all []heldQuestion) []batch.Result[heldAnswer] {
	results := make([]batch.Result[heldAnswer], len(all))
	found, err := readOffersFor(db, all)
	for i, q := range all {
		if err != nil {
			results[i].Err = fmt.Errorf("read products and reservations: %w", err)
			continue
		}
		shopper := formatID(q.shopper)
		for _, n := range q.products {
			id := formatID(n)
			f, exists := found[id]
			if !exists {
				continue
			}
			results[i].Value.offers = append(results[i].Value.offers, f.offer)
			for order, quantity := range f.reserved[shopper] {
				results[i].Value.unpaid = append(results[i].Value.unpaid,
					inventory.OwnUnits{ProductID: id, OrderID: order, Quantity: quantity})
			}
		}
	}
	return results
}

// offerReserved is a product with what is reserved of it, by shopper and order.
type offerReserved struct {
	offer    catalog.Offer
	reserved map[string]map[string]int64
}

func readOffersFor(db *gorm.DB, all []heldQuestion) (map[string]offerReserved, error) {
	var shoppers, products []int64
	for _, q := range all {
		for _, id := range q.products {
			shoppers, products = append(shoppers, q.shopper), append(products, id)
		}
	}
	rows, err := db.Raw(selectOffersFor, postgres.Array(shoppers), postgres.Array(products)).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := make(map[string]offerReserved, len(products))
	for rows.Next() {
		var reserved []byte
		var f offerReserved
		if f.offer, err = scanOffer(rows, &reserved); err != nil {
			return nil, err
		}
		if reserved != nil {
			if err := json.Unmarshal(reserved, &f.reserved); err != nil {
				return nil, err
			}
		}
		found[f.offer.ID] = f
	}
	return found, rows.Err()
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

const selectOffer = `SELECT p.id, p.seller_id, p.name, p.price, p.currency, coalesce(p.max_per_order, 0),
	p.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM closed_sellers c WHERE c.seller_id = p.seller_id),
	s.on_hand - s.reserved, NOT s.tracked, p.image_url
	FROM products p JOIN stock s ON s.product_id = p.id `

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

const (
	maxQuestions  = 64 // that share a query
	queryPatience = 10 * time.Millisecond
	queryTimeout  = 5 * time.Second
)

// offersQuestion is about the products of a hold, or of a cart.
type offersQuestion struct {
	ctx      context.Context //nolint:containedctx // of the caller: a trace, and a deadline if it asks alone
	shopper  int64           // 0: none
	products []int64
}

// offersAnswer has the products, and what unpaid orders of the shopper have reserved of them.
type offersAnswer struct {
	offers []catalog.Offer
	unpaid []inventory.OwnUnits
}

// newQuestions makes the group of OffersFor.
func (s *Store) newQuestions() *batch.Group[offersQuestion, offersAnswer] {
	return batch.New(maxQuestions, queryPatience, func(all []offersQuestion) []batch.Result[offersAnswer] {
		ctx := all[0].ctx
		if len(all) > 1 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
			defer cancel()
		}
		return answerOffers(s.db.WithContext(ctx), all)
	})
}

// Offers implements catalog.Store.
func (s *Store) Offers(ctx context.Context, ids []string) ([]catalog.Offer, error) {
	found, _, err := s.OffersFor(ctx, "", ids)
	return found, err
}

// OffersFor implements catalog.Store. Questions that wait at the same time share a query.
func (s *Store) OffersFor(ctx context.Context, shopperID string, ids []string) ([]catalog.Offer, []inventory.OwnUnits,
	error) {
	q := offersQuestion{ctx: ctx}
	if shopperID != "" {
		var err error
		if q.shopper, err = parseID(shopperID); err != nil {
			return nil, nil, err
		}
	}
	for _, id := range ids {
		if n, err := parseID(id); err == nil && !slices.Contains(q.products, n) {
			q.products = append(q.products, n)
		}
	}
	answer, err := s.questions.Do(ctx, q)
	return answer.offers, answer.unpaid, err
}

func answerOffers(db *gorm.DB, all []offersQuestion) []batch.Result[offersAnswer] {
	results := make([]batch.Result[offersAnswer], len(all))
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

func readOffersFor(db *gorm.DB, all []offersQuestion) (map[string]offerReserved, error) {
	var shoppers, products []int64
	asked := map[[2]int64]bool{}
	for _, q := range all {
		for _, id := range q.products {
			if pair := [2]int64{q.shopper, id}; !asked[pair] {
				asked[pair] = true
				shoppers, products = append(shoppers, q.shopper), append(products, id)
			}
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

func scanOffer(rows *sql.Rows, more ...any) (o catalog.Offer, err error) {
	var id, seller, price int64
	var currency string
	err = rows.Scan(append([]any{&id, &seller, &o.Name, &price, &currency, &o.MaxPerOrder, &o.OnSale, &o.Available,
		&o.Untracked, &o.ImageURL}, more...)...)
	o.ID, o.SellerID, o.Price = formatID(id), formatID(seller), money.Of(price, currency)
	return o, err
}

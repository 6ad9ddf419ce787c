package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
)

const selectOffer = `SELECT p.id, p.seller_id, p.name, p.price, p.currency, coalesce(p.max_per_order, 0),
	p.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM closed_sellers c WHERE c.seller_id = p.seller_id),
	s.on_hand - s.reserved, NOT s.tracked
	FROM products p JOIN stock s ON s.product_id = p.id `

const selectOffers = selectOffer + "WHERE p.id = ANY(?::bigint[])"

const (
	maxQuestions  = 32 // that share a query
	queryPatience = 10 * time.Millisecond
	queryTimeout  = 5 * time.Second
)

// offers answers questions about products. Questions that wait at the same time share a query.
type offers struct {
	group *batch.Group[[]string, map[string]catalog.Offer]
}

func (s *Store) newOffers() offers {
	return offers{batch.New(maxQuestions, queryPatience, func(all [][]string) []batch.Result[map[string]catalog.Offer] {
		asked := map[string]bool{}
		for _, ids := range all {
			for _, id := range ids {
				asked[id] = true
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
		defer cancel()
		found, err := s.readOffers(ctx, slices.Collect(maps.Keys(asked)))
		results := make([]batch.Result[map[string]catalog.Offer], len(all))
		for i := range results {
			results[i].Value, results[i].Err = found, err
		}
		return results
	})}
}

// Offers implements catalog.Store.
func (s *Store) Offers(ctx context.Context, ids []string) ([]catalog.Offer, error) {
	found, err := s.offers.group.Do(ctx, ids)
	if err != nil {
		return nil, err
	}
	mine := make([]catalog.Offer, 0, len(ids))
	for i, id := range ids {
		if o, ok := found[id]; ok && !slices.Contains(ids[:i], id) {
			mine = append(mine, o)
		}
	}
	return mine, nil
}

func (s *Store) readOffers(ctx context.Context, ids []string) (found map[string]catalog.Offer, err error) {
	rows, err := postgres.DB(ctx, s.db).Raw(selectOffers, idArray(ids)).Rows()
	if err != nil {
		return nil, fmt.Errorf("read offers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	found = make(map[string]catalog.Offer, len(ids))
	for rows.Next() {
		o, err := scanOffer(rows)
		if err != nil {
			return nil, fmt.Errorf("read offers: %w", err)
		}
		found[o.ID] = o
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read offers: %w", err)
	}
	return found, nil
}

func scanOffer(rows *sql.Rows, more ...any) (o catalog.Offer, err error) {
	var id, seller, price int64
	var currency string
	err = rows.Scan(append([]any{&id, &seller, &o.Name, &price, &currency, &o.MaxPerOrder, &o.OnSale, &o.Available,
		&o.Untracked}, more...)...)
	o.ID, o.SellerID, o.Price = formatID(id), formatID(seller), money.Of(price, currency)
	return o, err
}

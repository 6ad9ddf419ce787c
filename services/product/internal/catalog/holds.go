package catalog

import (
	"context"

	"daprmall.dev/services/product/internal/inventory"
)

// PricedLine is a line of a hold with the product's present name and price.
type PricedLine struct {
	inventory.Line
	SellerID string
	Name     string
	Price    int64
	Currency string
}

// PricedHold is the answer to a hold: priced lines, or what is short.
type PricedHold struct {
	Status    string // of inventory.HoldResult
	Lines     []PricedLine
	Shortages []inventory.Shortage
}

// Hold holds all lines of an order or none, once per order id, by one call of the gate, and prices them by one query. A
// refusal is a result, not an error.
func (s *Service) Hold(ctx context.Context, orderID string, lines []inventory.Line) (PricedHold, error) {
	res, err := s.inventory.Hold(ctx, orderID, lines)
	if err != nil {
		return PricedHold{}, err
	}
	if res.Status != inventory.Held {
		return PricedHold{Status: res.Status, Shortages: res.Shortages}, nil
	}
	return s.priced(ctx, lines)
}

// priced reads names and prices by one query after the hold, so that no price is older than its hold. If a product is
// no longer for sale, the result is Unavailable and the hold stays: this may be the retry of a checkout whose order
// exists. Only checkout knows whether it is one, and then asks order before it releases the hold.
func (s *Service) priced(ctx context.Context, lines []inventory.Line) (PricedHold, error) {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.ProductID
	}
	views, err := s.store.Views(ctx, ids)
	if err != nil {
		return PricedHold{}, err
	}
	viewOf := make(map[string]View, len(views))
	for _, v := range views {
		viewOf[v.ID] = v
	}
	priced := PricedHold{Status: inventory.Held}
	var removed []string
	for _, l := range inventory.MergeLines(lines) {
		v, ok := viewOf[l.ProductID]
		if !ok || !v.OnSale() {
			removed = append(removed, l.ProductID)
			continue
		}
		priced.Lines = append(priced.Lines, PricedLine{
			Line: l, SellerID: v.SellerID, Name: v.Name, Price: v.Price.Amount, Currency: v.Price.Currency,
		})
	}
	if len(removed) > 0 {
		refusal := inventory.RefuseHold(removed)
		return PricedHold{Status: refusal.Status, Shortages: refusal.Shortages}, nil
	}
	return priced, nil
}

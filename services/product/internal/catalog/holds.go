package catalog

import (
	"context"

	"daprmall.dev/services/product/internal/inventory"
)

// TooMany is a result of a hold besides those of package inventory: an order wants more of a product than one order may
// have.
const TooMany = "too_many"

// PricedLine is a line of a hold with the product's present name and price.
type PricedLine struct {
	inventory.Line
	SellerID string
	Name     string
	Price    int64
	Currency string
	ImageURL string
}

// PricedHold is the answer to a hold: priced lines, or what is short.
type PricedHold struct {
	Status    string // of inventory.HoldResult, or TooMany
	Lines     []PricedLine
	Shortages []inventory.Shortage // of TooMany: how many units of these products an order may have
	Own       []inventory.OwnHold  // as in inventory.HoldResult

	tracked []inventory.Line // of products whose stock is tracked: these are to be held
}

// Hold prices all lines of an order by one query and holds them, all or none, once per order id, by one call of the
// gate. Products whose stock is not tracked need no hold. A refusal is a result, not an error.
//
// A refusal by the catalogue releases nothing: this may be the retry of a checkout whose order exists. Only checkout
// knows whether it is one, and then asks order before it releases the hold.
//
// The query also reads what unpaid orders of the shopper have reserved, if that is bounded.
func (s *Service) Hold(ctx context.Context, r inventory.HoldRequest) (PricedHold, error) {
	r.Lines = inventory.MergeLines(r.Lines)
	bounded := ""
	if r.MaxUnits > 0 {
		bounded = r.ShopperID
	}
	priced, unpaid, err := s.price(ctx, bounded, r.Lines)
	if err != nil || priced.Status != inventory.Held {
		return priced, err
	}
	if len(priced.tracked) == 0 {
		return priced, nil
	}
	r.Lines, r.Unpaid = priced.tracked, unpaid
	res, err := s.inventory.Hold(ctx, r)
	if err != nil {
		return PricedHold{}, err
	}
	if res.Status != inventory.Held {
		return PricedHold{Status: res.Status, Shortages: res.Shortages, Own: res.Own}, nil
	}
	return priced, nil
}

// price reads names and prices by one query, or says which products are not for sale, or of which there are too many.
func (s *Service) price(ctx context.Context, shopperID string, lines []inventory.Line) (PricedHold,
	[]inventory.OwnUnits, error) {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.ProductID
	}
	offers, unpaid, err := s.store.OffersFor(ctx, shopperID, ids)
	if err != nil {
		return PricedHold{}, nil, err
	}
	offerOf := make(map[string]Offer, len(offers))
	for _, o := range offers {
		offerOf[o.ID] = o
	}
	priced := PricedHold{Status: inventory.Held}
	var removed []string
	var tooMany []inventory.Shortage
	for _, l := range lines {
		o, ok := offerOf[l.ProductID]
		switch {
		case !ok || !o.OnSale:
			removed = append(removed, l.ProductID)
		case o.MaxPerOrder > 0 && l.Quantity > o.MaxPerOrder:
			tooMany = append(tooMany, inventory.Shortage{ProductID: l.ProductID, Available: o.MaxPerOrder})
		}
		if !o.Untracked {
			priced.tracked = append(priced.tracked, l)
		}
		priced.Lines = append(priced.Lines, PricedLine{
			Line: l, SellerID: o.SellerID, Name: o.Name, Price: o.Price.Amount, Currency: o.Price.Currency,
			ImageURL: o.ImageURL,
		})
	}
	switch {
	case len(removed) > 0:
		refusal := inventory.RefuseHold(removed)
		return PricedHold{Status: refusal.Status, Shortages: refusal.Shortages}, nil, nil
	case len(tooMany) > 0:
		return PricedHold{Status: TooMany, Shortages: tooMany}, nil, nil
	}
	return priced, unpaid, nil
}

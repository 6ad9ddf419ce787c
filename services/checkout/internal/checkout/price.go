package checkout

import (
	"slices"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
)

// priceChanged refuses what the shopper has not agreed to: another total than the expected one or, if none was sent, a
// higher price than the shopper has seen. What became cheaper needs no consent, unless that ends free shipping and
// makes the total higher.
func (r Record) priceChanged(lines []Line, t Totals, shipping Shipping) error {
	if r.ExpectedTotal != nil {
		if *r.ExpectedTotal == t.Total {
			return nil
		}
		return problem.New(problem.Conflict, "price_changed", "The total is %d now.", t.Total)
	}
	seen := make(map[string]*int64, len(r.Items))
	for _, it := range r.Items {
		seen[it.ProductID] = it.SeenPrice
	}
	var raised []problem.Field
	asSeen := slices.Clone(lines)
	for i, l := range lines {
		before := seen[l.ProductID]
		if before == nil {
			continue
		}
		asSeen[i].Price = *before
		if l.Price > *before {
			raised = append(raised, problem.Field{Field: l.ProductID, Message: "costs " +
				money.Of(l.Price, l.Currency).Decimal() + " now, not " + money.Of(*before, l.Currency).Decimal()})
		}
	}
	if raised == nil {
		was, err := shipping.Price(asSeen, t.Currency)
		if err != nil {
			return err
		}
		if t.Total <= was.Total {
			return nil
		}
		return problem.New(problem.Conflict, "price_changed",
			"Shipping is not free any more: the total is %d now. To agree, send it as expected_total.", t.Total)
	}
	why := problem.New(problem.Conflict, "price_changed",
		"Prices have risen: the total is %d now. To agree, send it as expected_total.", t.Total)
	for _, f := range raised {
		why = why.With(f)
	}
	return why
}

package checkout

import (
	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
)

// priceChanged refuses what the shopper has not agreed to: another total than the expected one or, if none was sent, a
// higher price than the shopper has seen. What became cheaper needs no consent.
func (r Record) priceChanged(lines []Line, t Totals) error {
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
	for _, l := range lines {
		if before := seen[l.ProductID]; before != nil && l.Price > *before {
			raised = append(raised, problem.Field{Field: l.ProductID, Message: "costs " +
				money.Of(l.Price, l.Currency).Decimal() + " now, not " + money.Of(*before, l.Currency).Decimal()})
		}
	}
	if raised == nil {
		return nil
	}
	why := problem.New(problem.Conflict, "price_changed",
		"Prices have risen: the total is %d now. To agree, send it as expected_total.", t.Total)
	for _, f := range raised {
		why = why.With(f)
	}
	return why
}

package inventory

import (
	"context"
	"time"
)

// explain makes the result of a hold that the gate refused. What the gate counts for the shopper may have ended since:
// the ledger decides. ended are orders without which the gate may decide otherwise; the refusal is not final then.
func (s *Service) explain(ctx context.Context, r HoldRequest, held GateHold) (refusal HoldResult, ended []string,
	err error) {
	refusal = HoldResult{Status: SoldOut, Shortages: held.Shortages}
	if held.Status == gateTooMany {
		refusal.Status = TooManyHeld
	}
	if r.ShopperID != "" {
		if refusal.Own, ended, err = s.ownHolds(ctx, r, held); err != nil {
			return HoldResult{}, nil, err
		}
	}
	switch {
	case refusal.Status == TooManyHeld && len(ended) == 0:
		s.metrics.RefusedByCap()
	case refusal.Status == SoldOut:
		ended = nil // whatever has ended, its stock is free, and there is not enough
		if freesEnough(r.Lines, refusal) {
			refusal.Status = HeldByOwn
		}
	}
	return refusal, ended, nil
}

// ownHolds returns what other orders of the shopper hold of the products that are short, and orders that the gate
// counts although they hold nothing.
func (s *Service) ownHolds(ctx context.Context, r HoldRequest, held GateHold) (own []OwnHold, ended []string,
	err error) {
	short := make([]string, len(held.Shortages))
	for i, sh := range held.Shortages {
		short[i] = sh.ProductID
	}
	unpaid, err := s.store.UnpaidUnits(ctx, r.ShopperID, short)
	if err != nil {
		return nil, nil, err
	}
	reserved := map[OwnUnits]bool{}
	for _, u := range unpaid {
		if u.OrderID != r.OrderID {
			reserved[u.OwnUnits] = true
			own = append(own, OwnHold{OwnUnits: u.OwnUnits, Unpaid: true, Until: u.DueAt})
		}
	}
	for _, g := range held.Own {
		switch {
		case reserved[g.OwnUnits]:
		case g.InGate:
			own = append(own, OwnHold{OwnUnits: g.OwnUnits, Until: time.Now().Add(s.holdTTL())})
		default:
			ended = append(ended, g.OrderID)
		}
	}
	return own, ended, nil
}

// freesEnough reports whether every line could be held without the shopper's other orders.
func freesEnough(lines []Line, refusal HoldResult) bool {
	free := map[string]int64{}
	for _, sh := range refusal.Shortages {
		free[sh.ProductID] = sh.Available
	}
	for _, o := range refusal.Own {
		free[o.ProductID] += o.Quantity
	}
	for _, l := range MergeLines(lines) {
		if left, short := free[l.ProductID]; short && left < l.Quantity {
			return false
		}
	}
	return true
}

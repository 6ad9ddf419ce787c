package inventory

import (
	"fmt"
	"sort"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Line is a quantity of one product.
type Line struct {
	ProductID string
	Quantity  int64
}

// OwnUnits is what an order of a shopper holds of a product.
type OwnUnits struct {
	ProductID string
	OrderID   string
	Quantity  int64
}

// UnpaidUnits is what the ledger has reserved for an unpaid order, and until when.
type UnpaidUnits struct {
	OwnUnits
	DueAt time.Time // when the order has to be paid
}

// MergeLines sums lines of the same product and returns them in the order of product ids, in which every transaction
// locks stock.
func MergeLines(lines []Line) []Line {
	total := make(map[string]int64, len(lines))
	for _, l := range lines {
		total[l.ProductID] += l.Quantity
	}
	merged := make([]Line, 0, len(total))
	for id, q := range total {
		merged = append(merged, Line{ProductID: id, Quantity: q})
	}
	sort.Slice(merged, func(i, j int) bool { return LessID(merged[i].ProductID, merged[j].ProductID) })
	return merged
}

// LessID reports whether decimal id a is the smaller number: the database orders ids as numbers.
func LessID(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// MaxQuantity bounds stock and changes of it.
const MaxQuantity = 1_000_000_000

// Stock is the stock of one product: 0 ≤ reserved ≤ on hand.
type Stock struct {
	ProductID string
	OnHand    int64
	Reserved  int64
	Version   int64 // rises with every change
	Untracked bool  // orders take nothing of it, and nobody changes it
}

// Available is what may be reserved for orders. The gate calls it the base.
func (s Stock) Available() int64 { return s.OnHand - s.Reserved }

// Entry is one row of the ledger: what changed, why, and the stock afterwards.
type Entry struct {
	Kind          Kind
	OrderID       string // of entries by orders
	Actor         string // the user who made an initial or adjust entry
	Reason        string
	OnHandDelta   int64
	ReservedDelta int64
	After         Stock
	At            time.Time // when it was written; zero before
}

// Kind names why stock changed.
type Kind string

// All reasons for a change of stock.
const (
	KindInitial Kind = "initial"
	KindAdjust  Kind = "adjust"
	KindReserve Kind = "reserve"
	KindDeduct  Kind = "deduct"
	KindRelease Kind = "release"
)

// apply changes the two counts or, if that would break 0 ≤ reserved ≤ on hand, neither.
func (s *Stock) apply(e Entry) (Entry, error) {
	next := *s
	next.OnHand += e.OnHandDelta
	next.Reserved += e.ReservedDelta
	next.Version++
	if next.Reserved < 0 || next.Reserved > next.OnHand || next.OnHand > MaxQuantity {
		return Entry{}, fmt.Errorf(
			"%s of product %s would leave %d on hand and %d reserved", e.Kind, s.ProductID, next.OnHand, next.Reserved,
		)
	}
	*s = next
	e.After = next
	return e, nil
}

// OpenLedger is the first entry of a product's ledger, made by the user with the id actor.
func OpenLedger(productID string, onHand int64, actor string) (Stock, Entry, error) {
	s := Stock{ProductID: productID}
	e, err := s.apply(Entry{Kind: KindInitial, Actor: actor, Reason: "first stock", OnHandDelta: onHand})
	return s, e, err
}

// Adjust adds stock, or removes stock that is not reserved.
func (s *Stock) Adjust(a Adjustment) (Entry, error) {
	if s.Untracked {
		return Entry{}, errNotTracked
	}
	if s.OnHand+a.Delta > MaxQuantity {
		return Entry{}, problem.Validation(problem.Field{Field: "delta", Message: "would make more than 1000000000 on hand"})
	}
	if s.OnHand+a.Delta < s.Reserved {
		return Entry{}, errInsufficient(s.Available())
	}
	return s.apply(Entry{Kind: KindAdjust, Actor: a.Actor, Reason: a.Reason, OnHandDelta: a.Delta})
}

var errNotTracked = problem.New(problem.Conflict, "stock_not_tracked",
	"The stock of this product is not tracked. Set stock_tracked first.")

func errInsufficient(available int64) error {
	return problem.New(
		problem.Conflict, "insufficient_stock", "Only %d can be taken out; the rest is reserved or held for orders.",
		available,
	)
}

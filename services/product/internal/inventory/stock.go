package inventory

import (
	"fmt"
	"sort"

	"daprmall.dev/services/kit/problem"
)

// Line is a quantity of one product.
type Line struct {
	ProductID string
	Quantity  int64
}

// Merge sums lines of the same product and returns them in product order, the order in which every transaction locks.
func Merge(lines []Line) []Line {
	total := make(map[string]int64, len(lines))
	for _, l := range lines {
		total[l.ProductID] += l.Quantity
	}
	merged := make([]Line, 0, len(total))
	for id, q := range total {
		merged = append(merged, Line{ProductID: id, Quantity: q})
	}
	sort.Slice(merged, func(i, j int) bool { return Before(merged[i].ProductID, merged[j].ProductID) })
	return merged
}

// Before orders decimal ids by their number, as the database does.
func Before(a, b string) bool {
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
}

// Available is the gate's base: what it may hold for orders.
func (s Stock) Available() int64 { return s.OnHand - s.Reserved }

// Entry is one line of the ledger: what changed, why, and the balance afterwards.
type Entry struct {
	Kind     Kind
	OrderID  string // of reserve, deduct and release
	Actor    string // of initial and adjust
	Reason   string
	OnHand   int64 // delta
	Reserved int64 // delta
	After    Stock
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

// change changes the two counts or, if that broke 0 ≤ reserved ≤ on hand, neither.
func (s *Stock) change(e Entry) (Entry, error) {
	next := Stock{
		ProductID: s.ProductID,
		OnHand:    s.OnHand + e.OnHand,
		Reserved:  s.Reserved + e.Reserved,
		Version:   s.Version + 1,
	}
	if next.Reserved < 0 || next.Reserved > next.OnHand || next.OnHand > MaxQuantity {
		return Entry{}, fmt.Errorf(
			"%s of product %s would leave %d on hand and %d reserved", e.Kind, s.ProductID, next.OnHand, next.Reserved,
		)
	}
	*s = next
	e.After = next
	return e, nil
}

// Open is the first entry of a product's ledger, made by the user with the id actor.
func Open(productID string, onHand int64, actor string) (Stock, Entry, error) {
	s := Stock{ProductID: productID}
	e, err := s.change(Entry{Kind: KindInitial, Actor: actor, Reason: "first stock", OnHand: onHand})
	return s, e, err
}

// Adjust adds stock, or removes stock that is not reserved.
func (s *Stock) Adjust(a Adjustment) (Entry, error) {
	if s.OnHand+a.Delta > MaxQuantity {
		return Entry{}, problem.Validation(problem.Field{Field: "delta", Message: "would make more than 1000000000 on hand"})
	}
	if s.OnHand+a.Delta < s.Reserved {
		return Entry{}, insufficient(s.Available())
	}
	return s.change(Entry{Kind: KindAdjust, Actor: a.Actor, Reason: a.Reason, OnHand: a.Delta})
}

func insufficient(available int64) error {
	return problem.New(
		problem.Conflict, "insufficient_stock", "Only %d can be taken out; the rest is reserved or held for orders.",
		available,
	)
}

package product

import (
	"errors"
	"fmt"
)

// State is where a reservation stands. It starts reserved and ends once.
type State string

// The states of a reservation.
const (
	Reserved State = "reserved"
	Deducted State = "deducted"
	Released State = "released"
)

// Reservation is one product of one order.
type Reservation struct {
	OrderID   string
	ProductID string
	Quantity  int64
	State     State
}

// Shortage says how much there is of a product that an order wants more of.
type Shortage struct {
	ProductID string
	Available int64
}

// Rejection is product's refusal of an order that was placed: the gate let it
// through (it can, after it lost holds), the ledger did not.
type Rejection struct {
	OrderID   string
	Shortages []Shortage
}

// Order is what its events say of an order.
type Order struct {
	ID    string
	Lines []Line
}

// StockByProduct is stock read under locks, by product. Orders whose events are booked
// together share one: each sees what the one before it left.
type StockByProduct map[string]*Stock

// NewStockByProduct puts stock on a shelf.
func NewStockByProduct(stock ...Stock) StockByProduct {
	shelf := make(StockByProduct, len(stock))
	for _, s := range stock {
		shelf[s.ProductID] = &s
	}
	return shelf
}

// OrderStock are what the ledger knows of one order, read under locks: the stock of
// its products, its reservations, and whether it was rejected. The verbs are the
// three events of an order. Each takes effect once, in whatever order they come.
type OrderStock struct {
	orderID      string
	stock        StockByProduct
	reservations []Reservation
	rejected     bool
	changes      Changes
}

// Changes are what a verb decided and a store must keep, all of it or nothing.
type Changes struct {
	Entries      []Entry
	Reservations []Reservation // new or in a new state
	Rejection    *Rejection
}

// NewOrderStock gives the books of an order as a store found them.
func NewOrderStock(orderID string, stock StockByProduct, reservations []Reservation, rejected bool) *OrderStock {
	return &OrderStock{orderID: orderID, stock: stock, reservations: reservations, rejected: rejected}
}

// Changes gives what the verbs decided.
func (b *OrderStock) Changes() Changes { return b.changes }

// known says whether an event of this order has been written down before.
func (b *OrderStock) known() bool { return b.rejected || len(b.reservations) > 0 }

// Place reserves every line or, if one is short, none and rejects the order.
func (b *OrderStock) Place(lines []Line) error {
	if b.known() {
		return nil
	}
	return b.reserve(lines)
}

// Pay takes what was reserved out of the house. When it comes before the placing,
// it does both: the lines are its own, and the late placing then finds a record.
func (b *OrderStock) Pay(lines []Line) error {
	if !b.known() {
		if err := b.reserve(lines); err != nil {
			return err
		}
	}
	return b.close(Deducted)
}

// Cancel gives back what was reserved. When it comes before the placing, it
// writes the closed record at once, so that the late placing reserves nothing.
func (b *OrderStock) Cancel(lines []Line) error {
	if b.known() {
		return b.close(Released)
	}
	if len(lines) == 0 {
		return errNoLines
	}
	for _, l := range Merge(lines) {
		b.record(Reservation{OrderID: b.orderID, ProductID: l.ProductID, Quantity: l.Quantity, State: Released})
	}
	return nil
}

var errNoLines = errors.New("the event carries no lines")

func (b *OrderStock) reserve(lines []Line) error {
	if len(lines) == 0 {
		return errNoLines
	}
	merged := Merge(lines)
	var short []Shortage
	for _, l := range merged {
		if l.Quantity < 1 {
			return fmt.Errorf("quantity %d of product %s", l.Quantity, l.ProductID)
		}
		s, ok := b.stock[l.ProductID]
		if !ok {
			short = append(short, Shortage{ProductID: l.ProductID})
		} else if s.Available() < l.Quantity {
			short = append(short, Shortage{ProductID: l.ProductID, Available: s.Available()})
		}
	}
	if len(short) > 0 {
		b.rejected = true
		b.changes.Rejection = &Rejection{OrderID: b.orderID, Shortages: short}
		return nil
	}
	for _, l := range merged {
		if err := b.move(l.ProductID, Entry{Kind: KindReserve, OrderID: b.orderID, Reserved: l.Quantity}); err != nil {
			return err
		}
		b.record(Reservation{OrderID: b.orderID, ProductID: l.ProductID, Quantity: l.Quantity, State: Reserved})
	}
	return nil
}

// close ends open reservations. After a rejection it leaves the stock alone. An
// order that is both paid and cancelled contradicts itself: that is refused, so
// that it is parked where somebody sees it.
func (b *OrderStock) close(to State) error {
	if b.rejected {
		return nil
	}
	for i, r := range b.reservations {
		if r.State == to {
			continue
		}
		if r.State != Reserved {
			return fmt.Errorf("order %s: reservation of product %s is %s, it cannot become %s", r.OrderID, r.ProductID, r.State, to)
		}
		e := Entry{Kind: KindRelease, OrderID: r.OrderID, Reserved: -r.Quantity}
		if to == Deducted {
			e.Kind, e.OnHand = KindDeduct, -r.Quantity
		}
		if err := b.move(r.ProductID, e); err != nil {
			return err
		}
		b.reservations[i].State = to
		b.changes.keep(b.reservations[i])
	}
	return nil
}

func (b *OrderStock) move(productID string, e Entry) error {
	s, ok := b.stock[productID]
	if !ok {
		return fmt.Errorf("product %s has a reservation and no stock", productID)
	}
	e, err := s.change(e)
	if err != nil {
		return err
	}
	b.changes.Entries = append(b.changes.Entries, e)
	return nil
}

func (b *OrderStock) record(r Reservation) {
	b.reservations = append(b.reservations, r)
	b.changes.keep(r)
}

// keep replaces an earlier decision on the same product: a payment that comes
// first reserves and deducts in one go.
func (c *Changes) keep(r Reservation) {
	for i, old := range c.Reservations {
		if old.ProductID == r.ProductID {
			c.Reservations[i] = r
			return
		}
	}
	c.Reservations = append(c.Reservations, r)
}

// Balances gives the stock after the changes, one per product that moved.
func (c Changes) Balances() []Stock {
	var out []Stock
	at := map[string]int{}
	for _, e := range c.Entries {
		if i, ok := at[e.After.ProductID]; ok {
			out[i] = e.After
			continue
		}
		at[e.After.ProductID] = len(out)
		out = append(out, e.After)
	}
	return out
}

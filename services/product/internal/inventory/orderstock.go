package inventory

import (
	"errors"
	"fmt"
	"time"
)

// State is the state of a reservation: reserved, then ended once.
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
	Untracked bool      // stock was not tracked when it was made: it has none, and ends without changing any
	ShopperID string    // of a new reservation, "" if the event does not say it
	DueAt     time.Time // of a new reservation, by when the order has to be paid
}

// Shortage is how much is left of a product that an order wants more of.
type Shortage struct {
	ProductID string
	Available int64
}

// Rejection means that the ledger does not have the stock of a placed order. It happens only if the gate has lost holds
// and then held the same units for two orders.
type Rejection struct {
	OrderID   string
	Shortages []Shortage
}

// Order is what an event of an order says about stock.
type Order struct {
	ID        string
	ShopperID string
	DueAt     time.Time // of order.placed only
	Lines     []Line
}

// StockByProduct is the locked stock by product id. Orders that are recorded together share it: each sees what the
// orders before it have left.
type StockByProduct map[string]*Stock

// NewStockByProduct indexes stock by product id.
func NewStockByProduct(stock ...Stock) StockByProduct {
	byProduct := make(StockByProduct, len(stock))
	for _, s := range stock {
		byProduct[s.ProductID] = &s
	}
	return byProduct
}

// OrderStock is the ledger's state of one order, read under locks: the stock of its products, its reservations, and
// whether it was rejected. Place, Pay and Cancel apply the three events of an order. Each takes effect once, in any
// order.
type OrderStock struct {
	orderID      string
	stock        StockByProduct
	reservations []Reservation
	rejected     bool
	shopperID    string
	dueAt        time.Time
	changes      Changes
}

// Changes are the effects of the events; a store must write all or none.
type Changes struct {
	Entries      []Entry
	Reservations []Reservation // new or in a new state
	Rejection    *Rejection
}

// NewOrderStock returns the stock of an order as a store found it.
func NewOrderStock(orderID string, stock StockByProduct, reservations []Reservation, rejected bool) *OrderStock {
	return &OrderStock{orderID: orderID, stock: stock, reservations: reservations, rejected: rejected}
}

// PlacedBy says whose order it is, and by when it has to be paid.
func (o *OrderStock) PlacedBy(shopperID string, due time.Time) { o.shopperID, o.dueAt = shopperID, due }

// Changes returns what the events changed.
func (o *OrderStock) Changes() Changes { return o.changes }

// isRecorded reports whether any event of this order was recorded before.
func (o *OrderStock) isRecorded() bool { return o.rejected || len(o.reservations) > 0 }

// Place reserves every line or, if one is short, none and rejects the order.
func (o *OrderStock) Place(lines []Line) error {
	if o.isRecorded() {
		return nil
	}
	return o.reserve(lines)
}

// Pay deducts what was reserved. Before Place it reserves its own lines first, and the late Place then finds them.
func (o *OrderStock) Pay(lines []Line) error {
	if !o.isRecorded() {
		if err := o.reserve(lines); err != nil {
			return err
		}
	}
	return o.end(Deducted)
}

// Cancel releases what was reserved. Before Place it records released reservations, so that the late Place reserves
// nothing.
func (o *OrderStock) Cancel(lines []Line) error {
	if o.isRecorded() {
		return o.end(Released)
	}
	if len(lines) == 0 {
		return errNoLines
	}
	for _, l := range MergeLines(lines) {
		o.addReservation(Reservation{OrderID: o.orderID, ProductID: l.ProductID, Quantity: l.Quantity, State: Released})
	}
	return nil
}

var errNoLines = errors.New("the event carries no lines")

func (o *OrderStock) reserve(lines []Line) error {
	if len(lines) == 0 {
		return errNoLines
	}
	merged := MergeLines(lines)
	var short []Shortage
	for _, l := range merged {
		if l.Quantity < 1 {
			return fmt.Errorf("quantity %d of product %s", l.Quantity, l.ProductID)
		}
		s, ok := o.stock[l.ProductID]
		if !ok {
			short = append(short, Shortage{ProductID: l.ProductID})
		} else if !s.Untracked && s.Available() < l.Quantity {
			short = append(short, Shortage{ProductID: l.ProductID, Available: s.Available()})
		}
	}
	if len(short) > 0 {
		o.rejected = true
		o.changes.Rejection = &Rejection{OrderID: o.orderID, Shortages: short}
		return nil
	}
	for _, l := range merged {
		r := Reservation{OrderID: o.orderID, ProductID: l.ProductID, Quantity: l.Quantity, State: Reserved,
			Untracked: o.stock[l.ProductID].Untracked, ShopperID: o.shopperID, DueAt: o.dueAt}
		if !r.Untracked {
			e := Entry{Kind: KindReserve, OrderID: o.orderID, ReservedDelta: l.Quantity}
			if err := o.changeStock(l.ProductID, e); err != nil {
				return err
			}
		}
		o.addReservation(r)
	}
	return nil
}

// end ends open reservations as deducted or released. For a rejected order it does nothing. An order that is both paid
// and cancelled is a contradiction: the error parks the event, where operators see it.
func (o *OrderStock) end(to State) error {
	if o.rejected {
		return nil
	}
	for i, r := range o.reservations {
		if r.State == to {
			continue
		}
		if r.State != Reserved {
			return fmt.Errorf(
				"order %s: reservation of product %s is %s, it cannot become %s", r.OrderID, r.ProductID, r.State, to,
			)
		}
		e := Entry{Kind: KindRelease, OrderID: r.OrderID, ReservedDelta: -r.Quantity}
		if to == Deducted {
			e.Kind, e.OnHandDelta = KindDeduct, -r.Quantity
		}
		if !r.Untracked {
			if err := o.changeStock(r.ProductID, e); err != nil {
				return err
			}
		}
		o.reservations[i].State = to
		o.changes.setReservation(o.reservations[i])
	}
	return nil
}

func (o *OrderStock) changeStock(productID string, e Entry) error {
	s, ok := o.stock[productID]
	if !ok {
		return fmt.Errorf("product %s has a reservation and no stock", productID)
	}
	e, err := s.apply(e)
	if err != nil {
		return err
	}
	o.changes.Entries = append(o.changes.Entries, e)
	return nil
}

func (o *OrderStock) addReservation(r Reservation) {
	o.reservations = append(o.reservations, r)
	o.changes.setReservation(r)
}

// setReservation adds a change, or replaces the one of the same product's reservation: order.paid before order.placed
// both reserves and deducts.
func (c *Changes) setReservation(r Reservation) {
	for i, old := range c.Reservations {
		if old.ProductID == r.ProductID {
			c.Reservations[i] = r
			return
		}
	}
	c.Reservations = append(c.Reservations, r)
}

// Balances returns the stock after the changes, of each product that changed.
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

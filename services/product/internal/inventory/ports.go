package inventory

import (
	"context"
	"time"
)

// Store keeps the ledger. Each method is one transaction (or joins the caller's); after the commit the changed stock is
// sent to the gate.
type Store interface {
	// Adjust locks the product's stock, calls decide, and writes the entry that it returns, with the adjustment. An
	// adjustment that was written before changes nothing.
	Adjust(ctx context.Context, a Adjustment, decide func(*Stock) (Entry, error)) (Stock, error)
	// RecordOrders locks the stock of all lines in the order of product ids, calls decide for one order after the other,
	// and writes their changes, with the events of rejections: of all orders or, if decide fails for one, of none.
	RecordOrders(ctx context.Context, orders []Order, decide func(*OrderStock, []Line) error) (rejections []Rejection,
		err error)
	// Lock locks the stock of products in the order of their ids, in the transaction of ctx.
	Lock(ctx context.Context, productIDs ...string) error
	// StockSnapshot returns, from one snapshot, the stock of products, and which of these holds the ledger has recorded: a
	// recorded hold is contained in the stock that is returned with it.
	StockSnapshot(ctx context.Context, productIDs, holdIDs []string) ([]Stock, map[string]bool, error)
	// UnpaidUnits returns what unpaid orders of a shopper have reserved of these products, in the order of order ids.
	UnpaidUnits(ctx context.Context, shopperID string, productIDs []string) ([]UnpaidUnits, error)
	// StockOfOrder returns what the ledger has recorded of an order.
	StockOfOrder(ctx context.Context, orderID string) (RecordedOrder, error)
	// UnpaidHolds returns reservations of unpaid orders that pass the filter, by order and product.
	UnpaidHolds(ctx context.Context, f HoldFilter) ([]OpenHold, error)
	// Ledger returns the entries of a product's ledger, newest first, those before a version of the stock (0 for all).
	Ledger(ctx context.Context, productID string, before int64, limit int) ([]Entry, error)
	// StockIDs pages through all products with stock, in id order.
	StockIDs(ctx context.Context, after string, limit int) ([]string, error)
}

// GateHold is the gate's answer to a hold of all lines of an order.
type GateHold struct {
	Status    string     // held | sold_out | too_many | missing
	Shortages []Shortage // of sold_out; of too_many: how many more the shopper may hold
	Own       []GateOwn  // what other orders of the shopper hold of the products in Shortages
	Missing   []string   // of missing: ids of products that the gate does not have
}

// GateOwn is what an order of the shopper holds of a product, as far as the gate knows.
type GateOwn struct {
	OwnUnits
	InGate bool // the gate holds it; otherwise the ledger had reserved it, or it may have ended
}

// Buyer is the shopper for whom stock is held, and what the gate must know to bound it.
type Buyer struct {
	ID       string
	MaxUnits int64      // of one product, in holds and unpaid orders; 0: any number
	Unpaid   []OwnUnits // what the ledger had reserved for the shopper before the call
	Ended    []string   // orders that hold nothing any more although the gate has named them
}

// Hold is an open hold in the gate.
type Hold struct {
	ID    string // an order id, or that of an adjustment
	Lines []Line
}

// GateEntry is what the gate has of one product.
type GateEntry struct {
	ProductID string
	Present   bool             // the gate has a base of it
	Base      int64            // on hand − reserved, as the ledger had it at Version
	Version   int64            // of the ledger's stock
	Held      int64            // Σ Holds
	Holds     map[string]int64 // quantity by hold id
}

// Apply tells the gate a product's stock, and which holds that stock already contains: the gate drops them. The gate
// ignores an older stock, unless it has exactly the version that InsteadOf names.
type Apply struct {
	Stock     Stock
	Recorded  []string // hold ids
	InsteadOf *int64   // only if the ledger was restored: see applyRestored
}

// Gate is the stock gate in Redis. Every call may be repeated.
type Gate interface {
	Hold(ctx context.Context, id string, lines []Line, ttl time.Duration) (GateHold, error)
	// HoldFor is Hold for a shopper, who may hold only so many units.
	HoldFor(ctx context.Context, b Buyer, id string, lines []Line, ttl time.Duration) (GateHold, error)
	Unhold(ctx context.Context, id string) error
	Apply(ctx context.Context, items []Apply) error
	Due(ctx context.Context, limit int) ([]Hold, error)
	Extend(ctx context.Context, id string, ttl time.Duration) error
	// Holds lists open holds of orders, except the first skip ones. Holds come and go meanwhile.
	Holds(ctx context.Context, skip, limit int) ([]OpenHold, error)
	// HeldProducts pages through the products with open holds; next is empty on the last page.
	HeldProducts(ctx context.Context, cursor string, limit int) (ids []string, next string, err error)
	Inspect(ctx context.Context, productIDs []string) ([]GateEntry, error)
	// RunID changes whenever Redis has restarted, and with that perhaps lost data.
	RunID(ctx context.Context) (string, error)
	// Lock reports whether this process has the lock, which expires by itself.
	Lock(ctx context.Context, key string, ttl time.Duration) (bool, error)
}

// Orders is the fence in the order service.
type Orders interface {
	// Fence reports whether an order exists; if not, it can never be created afterwards.
	Fence(ctx context.Context, orderID string) (exists bool, err error)
	// Cancel cancels an unpaid order for the admin of ctx; effectID identifies the request and its repetitions.
	Cancel(ctx context.Context, orderID, effectID string) error
}

// Feed is the order service's feed, from which product's inbox reads events that the broker did not deliver.
type Feed interface {
	// ReadAt returns when it was last read to its end; the zero time if never.
	ReadAt(ctx context.Context) (time.Time, error)
}

// Metrics counts what an operator should know.
type Metrics interface {
	GateMisses(n int)
	Rejected()
	HoldExpired(outcome string) // released | extended | recorded | failed
	Corrected(n int)
	RefusedByCap()   // a shopper would hold too many units of a product
	LedgerRestored() // the gate has changes that the ledger has lost
}

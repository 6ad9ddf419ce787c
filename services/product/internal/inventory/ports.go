package inventory

import (
	"context"
	"time"
)

// Store keeps the ledger. Each method is one transaction (or joins the caller's), and what it changed goes to the gate
// after its commit.
type Store interface {
	// Adjust locks the product's stock, lets f decide, and writes entry and adjustment. An adjustment that was written
	// before changes nothing.
	Adjust(ctx context.Context, a Adjustment, f func(*Stock) (Entry, error)) (Stock, error)
	// RecordOrders locks the stock of all lines in product order, lets f decide on the stock of one order after the other,
	// and keeps what it decided, the events of rejections included: for all orders or, if f fails for one, for none.
	RecordOrders(ctx context.Context, orders []Order, f func(*OrderStock, []Line) error) (rejections []Rejection,
		err error)
	// Lock locks the stock of products in product order, in the transaction of ctx.
	Lock(ctx context.Context, productIDs ...string) error
	// StockSnapshot gives, from one snapshot, the stock of products and which of these
	// holds the ledger has already recorded.
	StockSnapshot(ctx context.Context, productIDs, holdIDs []string) ([]Stock, map[string]bool, error)
	// StockIDs pages through all products with stock, in id order.
	StockIDs(ctx context.Context, after string, limit int) ([]string, error)
}

// ItemHold is the gate's answer to a hold.
type ItemHold struct {
	Status    string // held | sold_out | missing
	Shortages []Shortage
	Missing   []string
}

// Hold is an open hold in the gate.
type Hold struct {
	ID    string // an order id, or that of an adjustment
	Lines []Line
}

// GateEntry is one product as the gate sees it.
type GateEntry struct {
	ProductID string
	Present   bool
	Base      int64
	Version   int64
	Held      int64
	Holds     map[string]int64
}

// Apply is a product's stock for the gate, and the holds that it already contains. The gate accepts an older version
// only in place of the one that InsteadOf names.
type Apply struct {
	Stock     Stock
	Recorded  []string
	InsteadOf *int64
}

// Gate is the stock gate in Redis. Every call may be repeated.
type Gate interface {
	Hold(ctx context.Context, id string, lines []Line, ttl time.Duration) (ItemHold, error)
	Unhold(ctx context.Context, id string) error
	Apply(ctx context.Context, items []Apply) error
	Due(ctx context.Context, limit int) ([]Hold, error)
	Extend(ctx context.Context, id string, ttl time.Duration) error
	// Held pages through the products with open holds; an empty next ends it.
	Held(ctx context.Context, cursor string, limit int) (ids []string, next string, err error)
	Inspect(ctx context.Context, productIDs []string) ([]GateEntry, error)
	// RunID changes whenever Redis has restarted.
	RunID(ctx context.Context) (string, error)
	// Lock admits one caller for a while.
	Lock(ctx context.Context, key string, ttl time.Duration) (bool, error)
}

// Orders is the fence in the order service.
type Orders interface {
	// Fence reports whether an order exists; if not, it can never be created afterwards.
	Fence(ctx context.Context, orderID string) (exists bool, err error)
}

// Feed is the feed of orders, from which the ledger reads events that the broker did not deliver.
type Feed interface {
	// ReadAt says when it was last read to its end; the zero time if it never was.
	ReadAt(ctx context.Context) (time.Time, error)
}

// Metrics counts what an operator wants to know.
type Metrics interface {
	GateMisses(n int)
	Rejected()
	HoldExpired(outcome string) // released | extended | recorded | failed
	Corrected(n int)
	LedgerRestored() // the gate has stock of a history that the ledger has lost
}

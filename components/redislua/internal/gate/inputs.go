package gate

import (
	"encoding/json"
	"errors"
	"math"
)

// These limits keep a call small and every number exact: Lua's numbers are doubles.
const (
	maxLines    = 200
	maxHolds    = 64  // of one call
	maxHeld     = 256 // lines of all of them
	maxItems    = 1000
	maxRecorded = 5000
	maxQuantity = 1_000_000_000
	maxBase     = 1_000_000_000_000
	maxTTL      = 24 * 60 * 60 * 1000
)

func checkID(field, id string) error {
	if id == "" || len(id) > 64 {
		return invalid("%s must have 1 to 64 characters", field)
	}
	for _, r := range id {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-', r == '_', r == '.':
		default:
			return invalid("%s %q has a character that no id has", field, id)
		}
	}
	return nil
}

// checkKey checks names of locks and buckets, which contain routes and addresses.
func checkKey(field, key string) error {
	if key == "" || len(key) > 256 {
		return invalid("%s must have 1 to 256 characters", field)
	}
	for _, r := range key {
		if r < 0x21 || r > 0x7e {
			return invalid("%s %q has a character outside printable ASCII", field, key)
		}
	}
	return nil
}

func checkTTL(ttl int64) error {
	if ttl < 1 || ttl > maxTTL {
		return invalid("ttl_ms must be 1 to %d", int64(maxTTL))
	}
	return nil
}

func checkLimit(limit int) error {
	if limit < 1 || limit > maxItems {
		return invalid("limit must be 1 to %d", maxItems)
	}
	return nil
}

// Line is a quantity of one product.
type Line struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}

// HoldIn asks for all lines of one order.
type HoldIn struct {
	OrderID string `json:"order_id"`
	TTL     int64  `json:"ttl_ms"`
	Lines   []Line `json:"lines"`
	// The shopper, "" if there is none, and how many units of one product they may hold in all; 0: any number.
	ShopperID string `json:"shopper_id"`
	MaxUnits  int64  `json:"max_units"`
	// What the ledger had reserved of these products for the shopper's unpaid orders, before this call.
	Unpaid []Reserved `json:"unpaid"`
	// Orders that hold nothing any more, although an earlier answer had them in Own.
	Ended []string `json:"ended"`
}

// Reserved is what the ledger has reserved for an order.
type Reserved struct {
	OrderID   string `json:"order_id"`
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}

// ledger is the argument of hold.lua about the shopper's other orders, "" if there are none.
func (in HoldIn) ledger() (string, error) {
	if len(in.Unpaid) == 0 && len(in.Ended) == 0 {
		return "", nil
	}
	unpaid, ended := map[string]map[string]int64{}, map[string]bool{}
	for _, r := range in.Unpaid {
		if unpaid[r.ProductID] == nil {
			unpaid[r.ProductID] = map[string]int64{}
		}
		unpaid[r.ProductID][r.OrderID] = r.Quantity
	}
	for _, id := range in.Ended {
		ended[id] = true
	}
	text, err := json.Marshal(map[string]any{"unpaid": unpaid, "ended": ended})
	return string(text), err
}

func (in HoldIn) check() error {
	if err := checkID("order_id", in.OrderID); err != nil {
		return err
	}
	if err := checkTTL(in.TTL); err != nil {
		return err
	}
	if len(in.Lines) < 1 || len(in.Lines) > maxLines {
		return invalid("lines must have 1 to %d entries", maxLines)
	}
	for _, l := range in.Lines {
		if err := checkID("product_id", l.ProductID); err != nil {
			return err
		}
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			return invalid("quantity must be 1 to %d", maxQuantity)
		}
	}
	return in.checkShopper()
}

func (in HoldIn) checkShopper() error {
	if in.ShopperID == "" && (in.MaxUnits != 0 || len(in.Unpaid) > 0 || len(in.Ended) > 0) {
		return invalid("max_units, unpaid and ended need a shopper_id")
	}
	if in.ShopperID != "" {
		if err := checkID("shopper_id", in.ShopperID); err != nil {
			return err
		}
	}
	if in.MaxUnits < 0 || in.MaxUnits > maxQuantity {
		return invalid("max_units must be 0 to %d", maxQuantity)
	}
	if len(in.Unpaid) > maxRecorded || len(in.Ended) > maxRecorded {
		return invalid("unpaid and ended must have at most %d entries", maxRecorded)
	}
	for _, r := range in.Unpaid {
		if err := errors.Join(checkID("unpaid", r.OrderID), checkID("unpaid", r.ProductID)); err != nil {
			return err
		}
		if r.Quantity < 1 || r.Quantity > maxQuantity {
			return invalid("quantity must be 1 to %d", maxQuantity)
		}
	}
	for _, id := range in.Ended {
		if err := checkID("ended", id); err != nil {
			return err
		}
	}
	return nil
}

// HoldManyIn asks for several holds, each as HoldIn alone.
type HoldManyIn struct {
	Holds []HoldIn `json:"holds"`
}

// check bounds the call. One malformed hold fails alone.
func (in HoldManyIn) check() error {
	if len(in.Holds) < 1 || len(in.Holds) > maxHolds {
		return invalid("holds must have 1 to %d entries", maxHolds)
	}
	lines := 0
	for _, h := range in.Holds {
		lines += len(h.Lines)
	}
	if lines > maxHeld {
		return invalid("holds must have at most %d lines together", maxHeld)
	}
	return nil
}

// OrderIn names an order.
type OrderIn struct {
	OrderID string `json:"order_id"`
}

func (in OrderIn) check() error { return checkID("order_id", in.OrderID) }

// ApplyIn carries the ledger's state of some products.
type ApplyIn struct {
	Items []ApplyItem `json:"items"`
}

// ApplyItem is one product's base, the version of that base, and the orders that it already contains: their holds are
// removed.
type ApplyItem struct {
	ProductID string   `json:"product_id"`
	Base      *int64   `json:"base"`
	Version   *int64   `json:"version"`
	Recorded  []string `json:"recorded"`
	InsteadOf *int64   `json:"instead_of"` // a version that this one replaces even if it is newer
}

func (in ApplyIn) check() error {
	if len(in.Items) < 1 || len(in.Items) > maxItems {
		return invalid("items must have 1 to %d entries", maxItems)
	}
	for _, it := range in.Items {
		if err := checkID("product_id", it.ProductID); err != nil {
			return err
		}
		if it.Base == nil || *it.Base < 0 || *it.Base > maxBase {
			return invalid("base must be 0 to %d", int64(maxBase))
		}
		if it.Version == nil || *it.Version < 0 || *it.Version > maxBase {
			return invalid("version must be 0 to %d", int64(maxBase))
		}
		if it.InsteadOf != nil && (*it.InsteadOf < 0 || *it.InsteadOf > maxBase) {
			return invalid("instead_of must be 0 to %d", int64(maxBase))
		}
		if len(it.Recorded) > maxRecorded {
			return invalid("recorded must have at most %d entries", maxRecorded)
		}
		for _, id := range it.Recorded {
			if err := checkID("recorded", id); err != nil {
				return err
			}
		}
	}
	return nil
}

// DueIn asks for holds past their deadline.
type DueIn struct {
	Limit int `json:"limit"`
}

func (in DueIn) check() error { return checkLimit(in.Limit) }

// HoldsIn asks for a page of the open holds.
type HoldsIn struct {
	Skip  int64 `json:"skip"`
	Limit int   `json:"limit"`
}

func (in HoldsIn) check() error {
	if in.Skip < 0 || in.Skip > maxBase {
		return invalid("skip must be 0 to %d", int64(maxBase))
	}
	return checkLimit(in.Limit)
}

// ExtendIn gives an open hold a new deadline.
type ExtendIn struct {
	OrderID string `json:"order_id"`
	TTL     int64  `json:"ttl_ms"`
}

func (in ExtendIn) check() error {
	if err := checkID("order_id", in.OrderID); err != nil {
		return err
	}
	return checkTTL(in.TTL)
}

// HeldIn asks for a page of the products with open holds.
type HeldIn struct {
	Cursor string `json:"cursor"`
	Limit  int    `json:"limit"`
}

func (in HeldIn) check() error {
	if in.Cursor != "" {
		if err := checkID("cursor", in.Cursor); err != nil {
			return err
		}
	}
	return checkLimit(in.Limit)
}

// InspectIn names the products to inspect.
type InspectIn struct {
	ProductIDs []string `json:"product_ids"`
}

func (in InspectIn) check() error {
	if len(in.ProductIDs) > maxItems {
		return invalid("product_ids must have at most %d entries", maxItems)
	}
	for _, id := range in.ProductIDs {
		if err := checkID("product_ids", id); err != nil {
			return err
		}
	}
	return nil
}

// RunIDIn is empty.
type RunIDIn struct{}

func (RunIDIn) check() error { return nil }

// LockIn asks for a lock that expires.
type LockIn struct {
	Key   string `json:"key"`
	Owner string `json:"owner"`
	TTL   int64  `json:"ttl_ms"`
}

func (in LockIn) check() error {
	if err := checkKey("key", in.Key); err != nil {
		return err
	}
	if err := checkKey("owner", in.Owner); err != nil {
		return err
	}
	return checkTTL(in.TTL)
}

// LimitIn takes cost tokens from a bucket.
type LimitIn struct {
	Key   string  `json:"key"`
	Rate  float64 `json:"rate"`
	Burst float64 `json:"burst"`
	Cost  float64 `json:"cost"`
}

func (in LimitIn) check() error {
	if err := checkKey("key", in.Key); err != nil {
		return err
	}
	const most = 1e9
	if !(in.Rate >= 0.0001) || in.Rate > most || math.IsNaN(in.Rate) {
		return invalid("rate must be 0.0001 to 1e9 tokens a second")
	}
	if !(in.Burst > 0) || in.Burst > most {
		return invalid("burst must be above 0 and at most 1e9")
	}
	if !(in.Cost > 0) || in.Cost > in.Burst {
		return invalid("cost must be above 0 and at most burst")
	}
	return nil
}

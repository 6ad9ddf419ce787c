// Package clients calls the stock gate in Redis (binding redis-lua) and the order service's fence through the sidecar.
package clients

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"time"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/product/internal/inventory"
)

// binding is the name of the Dapr component.
const binding = "redis-lua"

// gateTimeout bounds a call of the gate, so that a checkout answers 503 soon when Redis is down.
const gateTimeout = 2 * time.Second

// maxRecorded is how many recorded holds one call may name. The binding accepts no more per product, and the call stays
// far below the largest body that a sidecar accepts.
const maxRecorded = 5000

// Binder calls an operation of an output binding: sidecar.Client.
type Binder interface {
	Bind(ctx context.Context, binding, operation string, in, out any) error
}

// Gate implements inventory.Gate through the binding.
type Gate struct {
	dapr  Binder
	owner string // names this process as the owner of locks

	holds  *batch.Group[holdCall, holdAnswer]
	single atomic.Int64 // until when holds are not sent together, in Unix nanoseconds
}

// NewGate makes a gate.
func NewGate(dapr Binder) *Gate {
	g := &Gate{dapr: dapr, owner: rand.Text()}
	g.holds = batch.New(mostHolds, holdPatience, g.holdTogether)
	return g
}

var _ inventory.Gate = (*Gate)(nil)

type line struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}

func (g *Gate) call(ctx context.Context, operation string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	return g.dapr.Bind(ctx, binding, operation, in, out)
}

type orderIn struct {
	OrderID string `json:"order_id"`
}

// Unhold releases what an order holds.
func (g *Gate) Unhold(ctx context.Context, id string) error {
	return g.call(ctx, "unhold", orderIn{id}, nil)
}

// Apply sends the ledger's stock to the gate, in as many calls as its recorded holds need. A product that needs several
// calls gets its base with each: until the last call the gate has less stock than there is, never more.
func (g *Gate) Apply(ctx context.Context, items []inventory.Apply) error {
	type item struct {
		ProductID string   `json:"product_id"`
		Base      int64    `json:"base"`
		Version   int64    `json:"version"`
		Recorded  []string `json:"recorded"`
		InsteadOf *int64   `json:"instead_of,omitempty"` // a component of the version before ignores it
	}
	type call struct {
		Items []item `json:"items"`
	}
	var next call
	space := maxRecorded
	send := func() error {
		defer func() { next, space = call{}, maxRecorded }()
		return g.call(ctx, "apply", next, nil)
	}
	for _, it := range items {
		recorded := it.Recorded
		for len(recorded) > space {
			next.Items = append(
				next.Items, item{it.Stock.ProductID, it.Stock.Available(), it.Stock.Version, recorded[:space], it.InsteadOf},
			)
			recorded = recorded[space:]
			if err := send(); err != nil {
				return err
			}
		}
		next.Items = append(
			next.Items, item{it.Stock.ProductID, it.Stock.Available(), it.Stock.Version, recorded, it.InsteadOf},
		)
		space -= len(recorded)
	}
	return send()
}

// Due lists holds past their time.
func (g *Gate) Due(ctx context.Context, limit int) ([]inventory.Hold, error) {
	in := struct {
		Limit int `json:"limit"`
	}{limit}
	var out struct {
		Holds []struct {
			OrderID string `json:"order_id"`
			Lines   []line `json:"lines"`
		} `json:"holds"`
	}
	if err := g.call(ctx, "due", in, &out); err != nil {
		return nil, err
	}
	holds := make([]inventory.Hold, len(out.Holds))
	for i, h := range out.Holds {
		holds[i].ID = h.OrderID
		for _, l := range h.Lines {
			holds[i].Lines = append(holds[i].Lines, inventory.Line(l))
		}
	}
	return holds, nil
}

// Holds lists open holds, except those of adjustments.
func (g *Gate) Holds(ctx context.Context, skip, limit int) ([]inventory.OpenHold, error) {
	in := struct {
		Skip  int `json:"skip"`
		Limit int `json:"limit"`
	}{skip, limit}
	var out struct {
		Holds []struct {
			OrderID   string `json:"order_id"`
			ShopperID string `json:"shopper_id"`
			Until     int64  `json:"until_ms"`
			Lines     []line `json:"lines"`
		} `json:"holds"`
	}
	if err := g.call(ctx, "holds", in, &out); err != nil {
		return nil, err
	}
	var holds []inventory.OpenHold
	for _, h := range out.Holds {
		if strings.HasPrefix(h.OrderID, inventory.AdjustmentPrefix) {
			continue
		}
		for _, l := range h.Lines {
			holds = append(holds, inventory.OpenHold{OrderID: h.OrderID, ProductID: l.ProductID, ShopperID: h.ShopperID,
				Quantity: l.Quantity, Until: time.UnixMilli(h.Until).UTC()})
		}
	}
	return holds, nil
}

// Extend moves an open hold's deadline.
func (g *Gate) Extend(ctx context.Context, id string, ttl time.Duration) error {
	in := struct {
		OrderID string `json:"order_id"`
		TTL     int64  `json:"ttl_ms"`
	}{id, ttl.Milliseconds()}
	return g.call(ctx, "extend", in, nil)
}

// HeldProducts pages through products with open holds.
func (g *Gate) HeldProducts(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
	in := struct {
		Cursor string `json:"cursor,omitempty"`
		Limit  int    `json:"limit"`
	}{cursor, limit}
	var out struct {
		ProductIDs []string `json:"product_ids"`
		Cursor     string   `json:"cursor"`
	}
	err = g.call(ctx, "held", in, &out)
	return out.ProductIDs, out.Cursor, err
}

// Inspect reads products with their holds.
func (g *Gate) Inspect(ctx context.Context, productIDs []string) ([]inventory.GateEntry, error) {
	in := struct {
		ProductIDs []string `json:"product_ids"`
	}{productIDs}
	var out struct {
		Items []struct {
			ProductID string           `json:"product_id"`
			Present   bool             `json:"present"`
			Base      int64            `json:"base"`
			Version   int64            `json:"version"`
			Held      int64            `json:"held"`
			Orders    map[string]int64 `json:"orders"`
		} `json:"items"`
	}
	if err := g.call(ctx, "inspect", in, &out); err != nil {
		return nil, err
	}
	items := make([]inventory.GateEntry, len(out.Items))
	for i, it := range out.Items {
		items[i] = inventory.GateEntry{
			ProductID: it.ProductID,
			Present:   it.Present,
			Base:      it.Base,
			Version:   it.Version,
			Held:      it.Held,
			Holds:     it.Orders,
		}
	}
	return items, nil
}

// RunID identifies the running Redis server; it changes when Redis restarts.
func (g *Gate) RunID(ctx context.Context) (string, error) {
	var out struct {
		RunID string `json:"run_id"`
	}
	err := g.call(ctx, "run_id", struct{}{}, &out)
	return out.RunID, err
}

// Lock admits one process for a while.
func (g *Gate) Lock(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	in := struct {
		Key   string `json:"key"`
		Owner string `json:"owner"`
		TTL   int64  `json:"ttl_ms"`
	}{key, g.owner, ttl.Milliseconds()}
	var out struct {
		Acquired bool `json:"acquired"`
	}
	err := g.call(ctx, "lock", in, &out)
	return out.Acquired, err
}

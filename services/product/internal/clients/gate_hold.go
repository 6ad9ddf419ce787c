package clients

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/product/internal/inventory"
)

// How holds that arrive at the same time share a call.
const (
	mostHolds    = 64 // the component takes no more in one call
	mostLines    = 256
	holdPatience = 50 * time.Millisecond // then a call that does not come back is overtaken
	// singleFor is how long holds are sent one by one after a component of an earlier version was found.
	singleFor = time.Minute
)

type holdIn struct {
	OrderID   string     `json:"order_id"`
	TTL       int64      `json:"ttl_ms"`
	Lines     []line     `json:"lines"`
	ShopperID string     `json:"shopper_id,omitempty"`
	MaxUnits  int64      `json:"max_units,omitempty"`
	Unpaid    []reserved `json:"unpaid,omitempty"`
	Ended     []string   `json:"ended,omitempty"`
}

type reserved struct {
	OrderID   string `json:"order_id"`
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}

type holdOut struct {
	Status    string `json:"status"`
	Shortages []struct {
		ProductID string `json:"product_id"`
		Available int64  `json:"available"`
	} `json:"shortages"`
	Own []struct {
		reserved
		InGate bool `json:"in_gate"`
	} `json:"own"`
	Missing []string `json:"missing"`
}

func (o holdOut) hold() inventory.GateHold {
	v := inventory.GateHold{Status: o.Status, Missing: o.Missing}
	for _, s := range o.Shortages {
		v.Shortages = append(v.Shortages, inventory.Shortage(s))
	}
	for _, u := range o.Own {
		v.Own = append(v.Own, inventory.GateOwn{InGate: u.InGate, OwnUnits: inventory.OwnUnits{ProductID: u.ProductID,
			OrderID: u.OrderID, Quantity: u.Quantity}})
	}
	return v
}

// Hold takes all lines or none.
func (g *Gate) Hold(
	ctx context.Context, id string, lines []inventory.Line, ttl time.Duration,
) (inventory.GateHold, error) {
	return g.HoldFor(ctx, inventory.Buyer{}, id, lines, ttl)
}

// holdCall is a hold that waits for others.
type holdCall struct {
	ctx context.Context //nolint:containedctx // of the caller: a trace, and a deadline if the hold is sent alone
	in  holdIn
}

// holdAnswer is what became of it.
type holdAnswer struct {
	inventory.GateHold
	alone bool // nothing: it must be sent alone
}

// HoldFor takes all lines or none, for a shopper. Holds that arrive at the same time share a call of the component,
// which takes one after the other.
func (g *Gate) HoldFor(
	ctx context.Context, b inventory.Buyer, id string, lines []inventory.Line, ttl time.Duration,
) (inventory.GateHold, error) {
	in := holdIn{OrderID: id, TTL: ttl.Milliseconds(), ShopperID: b.ID}
	for _, l := range lines {
		in.Lines = append(in.Lines, line(l))
	}
	if b.ID != "" {
		in.MaxUnits, in.Ended = b.MaxUnits, b.Ended
		for _, u := range b.Unpaid {
			in.Unpaid = append(in.Unpaid, reserved{OrderID: u.OrderID, ProductID: u.ProductID, Quantity: u.Quantity})
		}
	}
	answer, err := g.holds.Do(ctx, holdCall{ctx, in})
	if err == nil && answer.alone {
		return g.holdAlone(ctx, in)
	}
	return answer.GateHold, err
}

// holdAlone sends one hold. A component of an earlier version knows no shoppers: then nothing bounds what they hold.
func (g *Gate) holdAlone(ctx context.Context, in holdIn) (inventory.GateHold, error) {
	var out holdOut
	err := g.call(ctx, "hold", in, &out)
	// A component's refusal reaches the app as text only.
	if err != nil && in.ShopperID != "" && strings.Contains(err.Error(), `unknown field "shopper_id"`) {
		out = holdOut{}
		err = g.call(ctx, "hold", holdIn{OrderID: in.OrderID, TTL: in.TTL, Lines: in.Lines}, &out)
	}
	if err != nil {
		return inventory.GateHold{}, err
	}
	return out.hold(), nil
}

// holdTogether sends holds by one call, as far as it takes their lines. Those of which the component has no answer are
// sent alone, so that a bad one fails alone.
func (g *Gate) holdTogether(all []holdCall) []batch.Result[holdAnswer] {
	results := make([]batch.Result[holdAnswer], len(all))
	if len(all) == 1 {
		results[0].Value.GateHold, results[0].Err = g.holdAlone(all[0].ctx, all[0].in)
		return results
	}
	var in struct {
		Holds []holdIn `json:"holds"`
	}
	var at []int // of in.Holds in all
	lines := 0
	for i, c := range all {
		results[i].Value.alone = true
		if lines+len(c.in.Lines) <= mostLines {
			lines += len(c.in.Lines)
			in.Holds, at = append(in.Holds, c.in), append(at, i)
		}
	}
	if time.Now().UnixNano() < g.single.Load() {
		return results
	}
	var out struct {
		Holds []holdOut `json:"holds"`
	}
	ctx := context.WithoutCancel(all[0].ctx)
	err := g.call(ctx, "hold_many", in, &out)
	switch {
	case err != nil && notKnown(err):
		g.single.Store(time.Now().Add(singleFor).UnixNano())
		slog.WarnContext(ctx, "the component does not take holds together: an earlier version?", "error", err)
		return results
	case err == nil && len(out.Holds) != len(in.Holds):
		err = fmt.Errorf("%d answers to %d holds", len(out.Holds), len(in.Holds))
	}
	for i, j := range at {
		switch {
		case err != nil:
			results[j] = batch.Result[holdAnswer]{Err: err}
		case out.Holds[i].Status != "failed":
			results[j].Value = holdAnswer{GateHold: out.Holds[i].hold()}
		}
	}
	return results
}

// notKnown reports whether the sidecar or the component has no operation hold_many, or not for this app.
func notKnown(err error) bool {
	return strings.Contains(err.Error(), "operation hold_many") || strings.Contains(err.Error(), `operation "hold_many"`)
}

package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Hold takes all lines of an order or nothing, once per order id. Several lines of one product are added up.
func (g *Gate) Hold(ctx context.Context, in HoldIn) (HoldOut, error) {
	call, err := in.call()
	if err != nil {
		return HoldOut{}, err
	}
	out, err := readHold(g.hold.Run(ctx, g.rdb, call.keys, call.args...))
	if err == nil && out.Status == conflict {
		return HoldOut{}, invalid("order %s already holds other lines", in.OrderID)
	}
	return out, err
}

// HoldManyOut has a result for each hold, in the same order.
type HoldManyOut struct {
	Holds []HoldOut `json:"holds"`
}

// failed is the status of a hold among many that has no result: it is malformed, Redis has refused it, or the order
// holds other lines. The caller learns more by asking for it alone.
const failed = "failed"

// HoldMany runs holds one after the other, each as Hold does, in one round trip. Each is a script of its own, so that
// Redis may serve others between two of them. After an error the outcome of all is unknown; each may be repeated.
func (g *Gate) HoldMany(ctx context.Context, in HoldManyIn) (HoldManyOut, error) {
	calls := make([]holdCall, len(in.Holds))
	bad := make([]bool, len(in.Holds))
	for i, h := range in.Holds {
		call, err := h.call()
		calls[i], bad[i] = call, errors.Join(h.check(), err) != nil
	}
	cmds := make([]*redis.Cmd, len(calls))
	_, _ = g.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, c := range calls {
			if !bad[i] {
				cmds[i] = g.hold.EvalSha(ctx, p, c.keys, c.args...)
			}
		}
		return nil // each command keeps its own error, which is read below
	})
	out := HoldManyOut{Holds: make([]HoldOut, len(calls))}
	for i, c := range calls {
		out.Holds[i] = HoldOut{Status: failed, Shortages: []Shortage{}, Missing: []string{}}
		if bad[i] {
			continue
		}
		if err := cmds[i].Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			cmds[i] = g.hold.Run(ctx, g.rdb, c.keys, c.args...)
		}
		res, err := readHold(cmds[i])
		var refused redis.Error
		switch {
		case err != nil && !errors.As(err, &refused):
			return HoldManyOut{}, err
		case err == nil && res.Status != conflict:
			out.Holds[i] = res
		}
	}
	return out, nil
}

// holdCall is a call of hold.lua.
type holdCall struct {
	keys []string
	args []any
}

func (in HoldIn) call() (holdCall, error) {
	ledger, err := in.ledger()
	if err != nil {
		return holdCall{}, err
	}
	lines := sum(in.Lines)
	c := holdCall{keys: []string{keyDue, keyOpen, prefixOrder + in.OrderID},
		args: []any{in.OrderID, in.TTL, in.ShopperID, in.MaxUnits, ledger}}
	for _, l := range lines {
		c.keys = append(c.keys, prefixProduct+l.ProductID)
		c.args = append(c.args, l.ProductID, l.Quantity)
	}
	if in.ShopperID != "" {
		for _, l := range lines {
			c.keys = append(c.keys, prefixShopper+in.ShopperID+":"+l.ProductID)
		}
	}
	return c, nil
}

// conflict is the script's word that the order already holds other lines.
const conflict = "conflict"

func readHold(cmd *redis.Cmd) (HoldOut, error) {
	res, err := cmd.Slice()
	if err != nil {
		return HoldOut{}, fmt.Errorf("hold.lua: %w", err)
	}
	out := HoldOut{Status: text(res[0]), Shortages: []Shortage{}, Missing: []string{}}
	switch out.Status {
	case "missing":
		for _, id := range res[1:] {
			out.Missing = append(out.Missing, text(id))
		}
	case "sold_out", "too_many":
		for _, entry := range res[1:] {
			short, ok := entry.([]any)
			if !ok || len(short) < 2 {
				return HoldOut{}, fmt.Errorf("hold.lua returned %T", entry)
			}
			id := text(short[0])
			out.Shortages = append(out.Shortages, Shortage{ProductID: id, Available: number(short[1])})
			for i := 2; i+2 < len(short); i += 3 {
				out.Own = append(out.Own, OwnUnits{ProductID: id, OrderID: text(short[i]), Quantity: number(short[i+1]),
					InGate: number(short[i+2]) == 1})
			}
		}
	}
	return out, nil
}

package gate

import (
	"context"
	"fmt"
	"sort"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// Shortage says how much is left of a product of which an order wanted more.
type Shortage struct {
	ProductID string `json:"product_id"`
	Available int64  `json:"available"`
}

// HoldOut is the result of a hold.
type HoldOut struct {
	Status    string     `json:"status"` // held | sold_out | too_many | missing
	Shortages []Shortage `json:"shortages"`
	Own       []OwnUnits `json:"own,omitempty"` // what the shopper's other orders hold of the products in Shortages
	Missing   []string   `json:"missing"`
}

// OwnUnits is what another order of the shopper holds of a product: in the gate, or reserved in the ledger.
type OwnUnits struct {
	ProductID string `json:"product_id"`
	OrderID   string `json:"order_id"`
	Quantity  int64  `json:"quantity"`
	InGate    bool   `json:"in_gate"`
}

// sum merges lines of the same product and sorts them by product.
func sum(lines []Line) []Line {
	total := make(map[string]int64, len(lines))
	for _, l := range lines {
		total[l.ProductID] += l.Quantity
	}
	out := make([]Line, 0, len(total))
	for id, q := range total {
		out = append(out, Line{ProductID: id, Quantity: q})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ProductID < out[j].ProductID })
	return out
}

// StatusOut is a result that consists of one word.
type StatusOut struct {
	Status string `json:"status"`
}

// Unhold releases what an order holds. The status is released, or absent if it holds nothing.
func (g *Gate) Unhold(ctx context.Context, in OrderIn) (StatusOut, error) {
	keys := []string{keyDue, keyOpen, prefixOrder + in.OrderID}
	return g.word(ctx, g.unhold, keys, in.OrderID, prefixProduct, prefixShopper)
}

// Extend moves the deadline of an open hold. The status is extended, or absent if there is no hold.
func (g *Gate) Extend(ctx context.Context, in ExtendIn) (StatusOut, error) {
	return g.word(ctx, g.extend, []string{keyDue}, in.OrderID, in.TTL)
}

func (g *Gate) word(ctx context.Context, s *redis.Script, keys []string, args ...any) (StatusOut, error) {
	res, err := s.Run(ctx, g.rdb, keys, args...).Slice()
	if err != nil {
		return StatusOut{}, fmt.Errorf("redis: %w", err)
	}
	return StatusOut{Status: text(res[0])}, nil
}

// ApplyOut is the state of the products after an apply.
type ApplyOut struct {
	Items []Applied `json:"items"`
}

// Applied is the state of one product after an apply.
type Applied struct {
	ProductID string `json:"product_id"`
	Base      int64  `json:"base"`
	Version   int64  `json:"version"`
	Held      int64  `json:"held"`
}

// Apply updates products from the ledger: one script per product, all in one round trip. Products are independent, so
// the caller repairs a partial failure by repeating the whole call.
func (g *Gate) Apply(ctx context.Context, in ApplyIn) (ApplyOut, error) {
	run := func(item ApplyItem, c redis.Scripter, whole bool) *redis.Cmd {
		keys := []string{keyDue, keyOpen, prefixProduct + item.ProductID}
		replaced := ""
		if item.InsteadOf != nil {
			replaced = strconv.FormatInt(*item.InsteadOf, 10)
		}
		args := []any{item.ProductID, *item.Base, *item.Version, prefixOrder, prefixShopper, replaced}
		for _, id := range item.Recorded {
			args = append(args, id)
		}
		if whole {
			return g.apply.Run(ctx, c, keys, args...)
		}
		return g.apply.EvalSha(ctx, c, keys, args...)
	}
	cmds := make([]*redis.Cmd, len(in.Items))
	if len(in.Items) == 1 {
		cmds[0] = run(in.Items[0], g.rdb, true)
	} else {
		_, _ = g.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, item := range in.Items {
				cmds[i] = run(item, p, false)
			}
			return nil // each command keeps its own error, which is read below
		})
	}
	out := ApplyOut{Items: make([]Applied, len(in.Items))}
	for i, item := range in.Items {
		if err := cmds[i].Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			cmds[i] = run(item, g.rdb, true)
		}
		res, err := cmds[i].Slice()
		if err != nil {
			return ApplyOut{}, fmt.Errorf("apply.lua for product %s: %w", item.ProductID, err)
		}
		out.Items[i] = Applied{ProductID: item.ProductID, Base: number(res[0]), Version: number(res[1]), Held: number(res[2])}
	}
	return out, nil
}

// DueOut lists holds past their deadline.
type DueOut struct {
	Holds []DueHold `json:"holds"`
}

// DueHold is an order with the quantities that it still holds.
type DueHold struct {
	OrderID string `json:"order_id"`
	Lines   []Line `json:"lines"`
}

// Due lists holds whose deadline has passed on the Redis clock, oldest first. It removes nothing: the order service's
// fence decides whether a hold may go.
func (g *Gate) Due(ctx context.Context, in DueIn) (DueOut, error) {
	res, err := g.due.Run(ctx, g.rdb, []string{keyDue}, in.Limit, prefixOrder).Slice()
	if err != nil {
		return DueOut{}, fmt.Errorf("due.lua: %w", err)
	}
	out := DueOut{Holds: make([]DueHold, 0, len(res))}
	for _, entry := range res {
		flat, ok := entry.([]any)
		if !ok || len(flat) == 0 {
			return DueOut{}, fmt.Errorf("due.lua returned %T", entry)
		}
		hold := DueHold{OrderID: text(flat[0]), Lines: []Line{}}
		for i := 1; i+1 < len(flat); i += 2 {
			q, err := strconv.ParseInt(text(flat[i+1]), 10, 64)
			if err != nil {
				return DueOut{}, fmt.Errorf("hold of order %s: %w", hold.OrderID, err)
			}
			hold.Lines = append(hold.Lines, Line{ProductID: text(flat[i]), Quantity: q})
		}
		out.Holds = append(out.Holds, hold)
	}
	return out, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int64 {
	n, _ := v.(int64)
	return n
}

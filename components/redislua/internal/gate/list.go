package gate

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// HoldsOut is a page of open holds, those whose deadline comes first first.
type HoldsOut struct {
	Holds []OpenHold `json:"holds"`
}

// OpenHold is an open hold with its shopper, if it has one, and its deadline.
type OpenHold struct {
	OrderID   string `json:"order_id"`
	ShopperID string `json:"shopper_id"`
	Until     int64  `json:"until_ms"` // Unix time
	Lines     []Line `json:"lines"`
}

// Holds lists open holds, for operators. Pages are read one after the other while holds come and go, so that a hold may
// be missing or come twice.
func (g *Gate) Holds(ctx context.Context, in HoldsIn) (HoldsOut, error) {
	out := HoldsOut{Holds: []OpenHold{}}
	due, err := g.rdb.ZRangeWithScores(ctx, keyDue, in.Skip, in.Skip+int64(in.Limit)-1).Result()
	if err != nil || len(due) == 0 {
		return out, err
	}
	lines := make([]*redis.MapStringStringCmd, len(due))
	if _, err := g.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, z := range due {
			lines[i] = p.HGetAll(ctx, prefixOrder+text(z.Member))
		}
		return nil
	}); err != nil {
		return HoldsOut{}, fmt.Errorf("read lines: %w", err)
	}
	for i, z := range due {
		hold := OpenHold{OrderID: text(z.Member), Until: int64(z.Score)}
		for id, quantity := range lines[i].Val() {
			n, err := strconv.ParseInt(quantity, 10, 64)
			if err != nil {
				return HoldsOut{}, fmt.Errorf("hold of order %s: %w", hold.OrderID, err)
			}
			hold.Lines = append(hold.Lines, Line{ProductID: id, Quantity: n})
		}
		if len(hold.Lines) > 0 { // else it was released meanwhile
			hold.Lines = sum(hold.Lines)
			out.Holds = append(out.Holds, hold)
		}
	}
	return out, g.addShoppers(ctx, out.Holds)
}

func (g *Gate) addShoppers(ctx context.Context, holds []OpenHold) error {
	shoppers := make([]*redis.StringCmd, len(holds))
	_, _ = g.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, h := range holds {
			shoppers[i] = p.HGet(ctx, prefixProduct+h.Lines[0].ProductID, "b:"+h.OrderID)
		}
		return nil // each command keeps its own error
	})
	for i := range holds {
		id, err := shoppers[i].Result()
		if err != nil && err != redis.Nil { //nolint:errorlint // redis returns it as it is
			return fmt.Errorf("read shoppers: %w", err)
		}
		holds[i].ShopperID = id
	}
	return nil
}

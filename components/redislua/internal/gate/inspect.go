package gate

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// HeldOut is a page of products with open holds. An empty cursor means that it is the last page.
type HeldOut struct {
	ProductIDs []string `json:"product_ids"`
	Cursor     string   `json:"cursor"`
}

// Held lists products with open holds by id, so that paging works while holds come and go.
func (g *Gate) Held(ctx context.Context, in HeldIn) (HeldOut, error) {
	from := "-"
	if in.Cursor != "" {
		from = "(" + in.Cursor
	}
	ids, err := g.rdb.ZRangeByLex(ctx, keyOpen, &redis.ZRangeBy{Min: from, Max: "+", Count: int64(in.Limit)}).Result()
	if err != nil {
		return HeldOut{}, fmt.Errorf("products with holds: %w", err)
	}
	out := HeldOut{ProductIDs: ids}
	if len(ids) == in.Limit {
		out.Cursor = ids[len(ids)-1]
	}
	return out, nil
}

// InspectOut is the gate's state of some products.
type InspectOut struct {
	Items []Inspected `json:"items"`
}

// Inspected is the gate's state of one product; Orders are its open holds.
type Inspected struct {
	ProductID string           `json:"product_id"`
	Present   bool             `json:"present"`
	Base      int64            `json:"base"`
	Version   int64            `json:"version"`
	Held      int64            `json:"held"`
	Available int64            `json:"available"`
	Orders    map[string]int64 `json:"orders"`
}

// Inspect reads products with all their holds. It is for reconciliation and audits, not for purchases: its cost grows
// with the number of open holds.
func (g *Gate) Inspect(ctx context.Context, in InspectIn) (InspectOut, error) {
	out := InspectOut{Items: make([]Inspected, 0, len(in.ProductIDs))}
	if len(in.ProductIDs) == 0 {
		return out, nil
	}
	cmds := make([]*redis.MapStringStringCmd, len(in.ProductIDs))
	if _, err := g.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range in.ProductIDs {
			cmds[i] = p.HGetAll(ctx, prefixProduct+id)
		}
		return nil
	}); err != nil {
		return InspectOut{}, fmt.Errorf("read products: %w", err)
	}
	for i, id := range in.ProductIDs {
		item, err := inspected(id, cmds[i].Val())
		if err != nil {
			return InspectOut{}, err
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

func inspected(id string, fields map[string]string) (Inspected, error) {
	item := Inspected{ProductID: id, Orders: map[string]int64{}}
	for field, value := range fields {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return Inspected{}, fmt.Errorf("product %s, field %s: %w", id, field, err)
		}
		switch {
		case field == "base":
			item.Base, item.Present = n, true
		case field == "version":
			item.Version = n
		case field == "held":
			item.Held = n
		case strings.HasPrefix(field, "o:"):
			item.Orders[strings.TrimPrefix(field, "o:")] = n
		}
	}
	item.Available = item.Base - item.Held
	return item, nil
}

// RunIDOut identifies one run of the Redis server. It changes with every restart, also with one that restored a
// snapshot; then everything must be applied again.
type RunIDOut struct {
	RunID string `json:"run_id"`
}

// RunID returns the run id of the server, or of every master of a cluster.
func (g *Gate) RunID(ctx context.Context, _ RunIDIn) (RunIDOut, error) {
	cluster, ok := g.rdb.(*redis.ClusterClient)
	if !ok {
		id, err := runID(ctx, g.rdb)
		return RunIDOut{RunID: id}, err
	}
	var mu sync.Mutex
	var ids []string
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		id, err := runID(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, id)
		return err
	})
	sort.Strings(ids)
	return RunIDOut{RunID: strings.Join(ids, ",")}, err
}

func runID(ctx context.Context, c redis.Cmdable) (string, error) {
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		return "", fmt.Errorf("run id: %w", err)
	}
	for _, line := range strings.Split(info, "\n") {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok {
			return id, nil
		}
	}
	return "", fmt.Errorf("run id: the server names none")
}

// LockOut reports whether the caller has the lock.
type LockOut struct {
	Acquired bool `json:"acquired"`
}

// Lock takes a lock, which expires by itself.
func (g *Gate) Lock(ctx context.Context, in LockIn) (LockOut, error) {
	won, err := g.lock.Run(ctx, g.rdb, []string{prefixLock + in.Key}, in.Owner, in.TTL).Int()
	if err != nil {
		return LockOut{}, fmt.Errorf("lock.lua: %w", err)
	}
	return LockOut{Acquired: won == 1}, nil
}

// LimitOut reports whether the tokens were taken and, if not, when they could be.
type LimitOut struct {
	Allowed      bool  `json:"allowed"`
	RetryAfterMS int64 `json:"retry_after_ms"`
}

// Limit takes tokens from a bucket that all replicas share.
func (g *Gate) Limit(ctx context.Context, in LimitIn) (LimitOut, error) {
	res, err := g.limitLua.Run(ctx, g.rdb, []string{prefixLimit + in.Key}, in.Rate, in.Burst, in.Cost).Slice()
	if err != nil {
		return LimitOut{}, fmt.Errorf("limit.lua: %w", err)
	}
	return LimitOut{Allowed: number(res[0]) == 1, RetryAfterMS: number(res[1])}, nil
}

// Package inventorytest has fakes of what inventory depends on: a gate that keeps the promises of the Lua scripts, an
// order service, counters; and the suite that the fake gate and the real one pass alike.
package inventorytest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

// ErrDown is the error of a gate that cannot be reached.
var ErrDown = errors.New("the gate is down")

type gated struct {
	base, version int64
	holds         map[string]int64
	own           map[string]map[string]ownEntry // shopper -> order
	shopperOf     map[string]string              // of a hold
}

func newGated() *gated {
	return &gated{version: -1, holds: map[string]int64{}, own: map[string]map[string]ownEntry{},
		shopperOf: map[string]string{}}
}

func (g *gated) held() (sum int64) {
	for _, q := range g.holds {
		sum += q
	}
	return sum
}

type lock struct {
	owner string
	until time.Time
}

// memory is what Redis keeps.
type memory struct {
	mu       sync.Mutex
	products map[string]*gated
	lines    map[string]map[string]int64 // hold id -> product -> quantity
	due      map[string]time.Time
	locks    map[string]lock
	now      time.Time

	Life  string // the run id
	Down  bool
	Page  int // Held gives no more than this many at once; 0: as many as it is asked for
	Locks int // how often somebody won a lock

	OnLost func() // called when somebody did not win a lock
}

// Gate is inventory.Gate in memory, as one process sees it: available = base − Σ holds. GateSuite holds it to the
// scripts in Redis.
type Gate struct {
	*memory
	owner string // of locks
}

// NewGate makes an empty gate with a stopped clock.
func NewGate() *Gate {
	return &Gate{&memory{products: map[string]*gated{}, lines: map[string]map[string]int64{}, due: map[string]time.Time{},
		locks: map[string]lock{}, now: time.Unix(1000, 0), Life: "first"}, "this process"}
}

var _ inventory.Gate = (*Gate)(nil)

// Other is the same gate as another process sees it.
func (g *Gate) Other() *Gate { return &Gate{g.memory, "another process"} }

// enter begins an operation on input that passed its check; nothing is changed by one that did not.
func (g *Gate) enter(check error) (leave func(), err error) {
	g.mu.Lock()
	if g.Down {
		check = ErrDown
	}
	if check != nil {
		g.mu.Unlock()
		return nil, check
	}
	return g.mu.Unlock, nil
}

// Hold is inventory.Gate.
func (g *Gate) Hold(
	ctx context.Context, id string, lines []inventory.Line, ttl time.Duration,
) (inventory.GateHold, error) {
	return g.HoldFor(ctx, inventory.Buyer{}, id, lines, ttl)
}

// HoldFor is inventory.Gate.
func (g *Gate) HoldFor(
	_ context.Context, b inventory.Buyer, id string, lines []inventory.Line, ttl time.Duration,
) (inventory.GateHold, error) {
	leave, err := g.enter(errors.Join(checkHold(id, lines), checkTTL(ttl)))
	if err != nil {
		return inventory.GateHold{}, err
	}
	defer leave()
	lines = byText(inventory.MergeLines(lines))
	if open, known := g.lines[id]; known {
		if !maps.Equal(open, quantities(lines)) {
			return inventory.GateHold{}, fmt.Errorf("order %s already holds other lines", id)
		}
		g.due[id] = g.now.Add(ttl)
		return inventory.GateHold{Status: "held"}, nil
	}
	if refused := g.refuse(b, id, lines); refused.Status != "" {
		return refused, nil
	}
	for _, l := range lines {
		g.products[l.ProductID].hold(b, id, l.Quantity)
	}
	g.lines[id] = quantities(lines)
	g.due[id] = g.now.Add(ttl)
	return inventory.GateHold{Status: "held"}, nil
}

func quantities(lines []inventory.Line) map[string]int64 {
	m := make(map[string]int64, len(lines))
	for _, l := range lines {
		m[l.ProductID] = l.Quantity
	}
	return m
}

// byText returns lines in the order in which the scripts go through them.
func byText(lines []inventory.Line) []inventory.Line {
	slices.SortFunc(lines, func(a, b inventory.Line) int { return cmp.Compare(a.ProductID, b.ProductID) })
	return lines
}

// Unhold is inventory.Gate.
func (g *Gate) Unhold(_ context.Context, id string) error {
	leave, err := g.enter(checkID(id))
	if err != nil {
		return err
	}
	defer leave()
	for p := range g.lines[id] {
		g.products[p].end(id, false, g.now)
	}
	delete(g.lines, id)
	delete(g.due, id)
	return nil
}

// Apply is inventory.Gate.
func (g *Gate) Apply(_ context.Context, items []inventory.Apply) error {
	leave, err := g.enter(checkApply(items))
	if err != nil {
		return err
	}
	defer leave()
	for _, it := range items {
		p, ok := g.products[it.Stock.ProductID]
		if !ok {
			p = newGated()
			g.products[it.Stock.ProductID] = p
		}
		if it.Stock.Version > p.version || it.InsteadOf != nil && *it.InsteadOf == p.version {
			p.base, p.version = it.Stock.Available(), it.Stock.Version
		}
		for _, id := range it.Recorded {
			if _, held := p.holds[id]; !held {
				continue
			}
			p.end(id, true, g.now)
			delete(g.lines[id], it.Stock.ProductID)
			if len(g.lines[id]) == 0 {
				delete(g.lines, id)
				delete(g.due, id)
			}
		}
	}
	return nil
}

// Due is inventory.Gate.
func (g *Gate) Due(_ context.Context, limit int) ([]inventory.Hold, error) {
	leave, err := g.enter(checkLimit(limit))
	if err != nil {
		return nil, err
	}
	defer leave()
	ids := slices.SortedFunc(
		maps.Keys(g.due), func(a, b string) int { return cmp.Or(g.due[a].Compare(g.due[b]), cmp.Compare(a, b)) },
	)
	var holds []inventory.Hold
	for _, id := range ids {
		if g.due[id].After(g.now) || len(holds) == limit {
			break
		}
		h := inventory.Hold{ID: id}
		for p, q := range g.lines[id] {
			h.Lines = append(h.Lines, inventory.Line{ProductID: p, Quantity: q})
		}
		h.Lines = byText(h.Lines)
		holds = append(holds, h)
	}
	return holds, nil
}

// Extend is inventory.Gate.
func (g *Gate) Extend(_ context.Context, id string, ttl time.Duration) error {
	leave, err := g.enter(errors.Join(checkID(id), checkTTL(ttl)))
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := g.due[id]; ok {
		g.due[id] = g.now.Add(ttl)
	}
	return nil
}

// HeldProducts is inventory.Gate.
func (g *Gate) HeldProducts(_ context.Context, cursor string, limit int) ([]string, string, error) {
	leave, err := g.enter(errors.Join(checkCursor(cursor), checkLimit(limit)))
	if err != nil {
		return nil, "", err
	}
	defer leave()
	if g.Page > 0 {
		limit = min(limit, g.Page)
	}
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(g.products)) {
		if id <= cursor || len(g.products[id].holds) == 0 {
			continue
		}
		if ids = append(ids, id); len(ids) == limit {
			return ids, id, nil
		}
	}
	return ids, "", nil
}

// Inspect is inventory.Gate.
func (g *Gate) Inspect(_ context.Context, ids []string) ([]inventory.GateEntry, error) {
	leave, err := g.enter(checkInspect(ids))
	if err != nil {
		return nil, err
	}
	defer leave()
	var items []inventory.GateEntry
	for _, id := range ids {
		item := inventory.GateEntry{ProductID: id}
		if p, ok := g.products[id]; ok {
			item = inventory.GateEntry{
				ProductID: id,
				Present:   true,
				Base:      p.base,
				Version:   p.version,
				Held:      p.held(),
				Holds:     maps.Clone(p.holds),
			}
		}
		items = append(items, item)
	}
	return items, nil
}

// RunID is inventory.Gate.
func (g *Gate) RunID(context.Context) (string, error) {
	leave, err := g.enter(nil)
	if err != nil {
		return "", err
	}
	defer leave()
	return g.Life, nil
}

// Lock is inventory.Gate. Whoever has a lock may take it again.
func (g *Gate) Lock(_ context.Context, key string, ttl time.Duration) (bool, error) {
	leave, err := g.enter(errors.Join(checkKey(key), checkTTL(ttl)))
	if err != nil {
		return false, err
	}
	if l, ok := g.locks[key]; ok && l.owner != g.owner && l.until.After(g.now) {
		leave()
		if g.OnLost != nil {
			g.OnLost()
		}
		return false, nil
	}
	defer leave()
	g.locks[key] = lock{g.owner, g.now.Add(ttl)}
	g.Locks++
	return true, nil
}

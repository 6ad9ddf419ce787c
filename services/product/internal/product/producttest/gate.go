// Package producttest has stand-ins for what the product room depends on: a gate
// that keeps the promises of the Lua scripts, an order room, a meter.
package producttest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"daprmall.dev/services/product/internal/product"
)

// ErrDown is what a gate that cannot be reached answers.
var ErrDown = errors.New("the gate is down")

type gated struct {
	base, version int64
	holds         map[string]int64
}

func (g *gated) held() (sum int64) {
	for _, q := range g.holds {
		sum += q
	}
	return sum
}

// Gate is product.Gate in memory: available = base − Σ holds.
type Gate struct {
	mu       sync.Mutex
	products map[string]*gated
	lines    map[string]map[string]int64 // hold id -> product -> quantity
	due      map[string]time.Time
	locks    map[string]time.Time
	now      time.Time

	Life  string // the run id
	Down  bool
	Locks int // how often somebody won a lock

	OnLost func() // called when somebody did not win a lock
}

// NewGate makes an empty gate whose clock stands still.
func NewGate() *Gate {
	return &Gate{products: map[string]*gated{}, lines: map[string]map[string]int64{}, due: map[string]time.Time{},
		locks: map[string]time.Time{}, now: time.Unix(1000, 0), Life: "first"}
}

var _ product.Gate = (*Gate)(nil)

// Pass moves the gate's clock.
func (g *Gate) Pass(d time.Duration) { g.mu.Lock(); g.now = g.now.Add(d); g.mu.Unlock() }

// Lose forgets everything, as a Redis does that came back empty.
func (g *Gate) Lose() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.products)
	clear(g.lines)
	clear(g.due)
	clear(g.locks)
}

// Snapshot gives a function that brings the gate back to what it is now.
func (g *Gate) Snapshot() (restore func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	products := map[string]*gated{}
	for id, p := range g.products {
		products[id] = &gated{p.base, p.version, maps.Clone(p.holds)}
	}
	lines := map[string]map[string]int64{}
	for id, l := range g.lines {
		lines[id] = maps.Clone(l)
	}
	due := maps.Clone(g.due)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.products, g.lines, g.due = products, lines, due
	}
}

// State tells a product's base and what is held of it.
func (g *Gate) State(id string) (base, held int64, present bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.products[id]
	if !ok {
		return 0, 0, false
	}
	return p.base, p.held(), true
}

func (g *Gate) enter() (leave func(), err error) {
	g.mu.Lock()
	if g.Down {
		g.mu.Unlock()
		return nil, ErrDown
	}
	return g.mu.Unlock, nil
}

// Hold is product.Gate.
func (g *Gate) Hold(_ context.Context, id string, lines []product.Line, ttl time.Duration) (product.Verdict, error) {
	leave, err := g.enter()
	if err != nil {
		return product.Verdict{}, err
	}
	defer leave()
	if _, open := g.lines[id]; !open {
		var v product.Verdict
		for _, l := range product.Merge(lines) {
			p, ok := g.products[l.ProductID]
			if !ok {
				v.Missing = append(v.Missing, l.ProductID)
			} else if left := p.base - p.held(); left < l.Quantity {
				v.Shortages = append(v.Shortages, product.Shortage{ProductID: l.ProductID, Available: max(left, 0)})
			}
		}
		if len(v.Missing) > 0 {
			return product.Verdict{Status: "missing", Missing: v.Missing}, nil
		}
		if len(v.Shortages) > 0 {
			return product.Verdict{Status: "sold_out", Shortages: v.Shortages}, nil
		}
		g.lines[id] = map[string]int64{}
		for _, l := range product.Merge(lines) {
			g.products[l.ProductID].holds[id] = l.Quantity
			g.lines[id][l.ProductID] = l.Quantity
		}
	}
	g.due[id] = g.now.Add(ttl)
	return product.Verdict{Status: "held"}, nil
}

// Unhold is product.Gate.
func (g *Gate) Unhold(_ context.Context, id string) error {
	leave, err := g.enter()
	if err != nil {
		return err
	}
	defer leave()
	for p := range g.lines[id] {
		if it, ok := g.products[p]; ok {
			delete(it.holds, id)
		}
	}
	delete(g.lines, id)
	delete(g.due, id)
	return nil
}

// Apply is product.Gate.
func (g *Gate) Apply(_ context.Context, items []product.Apply) error {
	leave, err := g.enter()
	if err != nil {
		return err
	}
	defer leave()
	for _, it := range items {
		p, ok := g.products[it.Stock.ProductID]
		if !ok {
			p = &gated{version: -1, holds: map[string]int64{}}
			g.products[it.Stock.ProductID] = p
		}
		if it.Stock.Version > p.version || it.InsteadOf != nil && *it.InsteadOf == p.version {
			p.base, p.version = it.Stock.Available(), it.Stock.Version
		}
		for _, id := range it.Recorded {
			if _, held := p.holds[id]; !held {
				continue
			}
			delete(p.holds, id)
			delete(g.lines[id], it.Stock.ProductID)
			if len(g.lines[id]) == 0 {
				delete(g.lines, id)
				delete(g.due, id)
			}
		}
	}
	return nil
}

// Due is product.Gate.
func (g *Gate) Due(_ context.Context, limit int) ([]product.Hold, error) {
	leave, err := g.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var holds []product.Hold
	for id, at := range g.due {
		if at.After(g.now) || len(holds) == limit {
			continue
		}
		h := product.Hold{ID: id}
		for p, q := range g.lines[id] {
			h.Lines = append(h.Lines, product.Line{ProductID: p, Quantity: q})
		}
		holds = append(holds, h)
	}
	return holds, nil
}

// Extend is product.Gate.
func (g *Gate) Extend(_ context.Context, id string, ttl time.Duration) error {
	leave, err := g.enter()
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := g.due[id]; ok {
		g.due[id] = g.now.Add(ttl)
	}
	return nil
}

// Held is product.Gate; it pages one product at a time, so that paging is used.
func (g *Gate) Held(_ context.Context, cursor string, _ int) ([]string, string, error) {
	leave, err := g.enter()
	if err != nil {
		return nil, "", err
	}
	defer leave()
	for _, id := range slices.Sorted(maps.Keys(g.products)) {
		if id > cursor && len(g.products[id].holds) > 0 {
			return []string{id}, id, nil
		}
	}
	return nil, "", nil
}

// Inspect is product.Gate.
func (g *Gate) Inspect(_ context.Context, ids []string) ([]product.Gated, error) {
	leave, err := g.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var items []product.Gated
	for _, id := range ids {
		item := product.Gated{ProductID: id}
		if p, ok := g.products[id]; ok {
			item = product.Gated{ProductID: id, Present: true, Base: p.base, Version: p.version, Held: p.held(), Holds: maps.Clone(p.holds)}
		}
		items = append(items, item)
	}
	return items, nil
}

// RunID is product.Gate.
func (g *Gate) RunID(context.Context) (string, error) {
	leave, err := g.enter()
	if err != nil {
		return "", err
	}
	defer leave()
	return g.Life, nil
}

// Lock is product.Gate.
func (g *Gate) Lock(_ context.Context, key string, ttl time.Duration) (bool, error) {
	leave, err := g.enter()
	if err != nil {
		return false, err
	}
	if until, ok := g.locks[key]; ok && until.After(g.now) {
		leave()
		if g.OnLost != nil {
			g.OnLost()
		}
		return false, nil
	}
	defer leave()
	g.locks[key] = g.now.Add(ttl)
	g.Locks++
	return true, nil
}

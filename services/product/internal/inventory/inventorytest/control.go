package inventorytest

import (
	"maps"
	"time"
)

// Pass advances the gate's clock.
func (g *Gate) Pass(d time.Duration) { g.mu.Lock(); g.now = g.now.Add(d); g.mu.Unlock() }

// Lose empties the gate, like a Redis that restarted without its data.
func (g *Gate) Lose() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.products)
	clear(g.lines)
	clear(g.due)
	clear(g.locks)
}

// Snapshot returns a function that restores the gate's present state.
func (g *Gate) Snapshot() (restore func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	products := map[string]*gated{}
	for id, p := range g.products {
		clone := &gated{p.base, p.version, maps.Clone(p.holds), map[string]map[string]ownEntry{}, maps.Clone(p.shopperOf)}
		for shopper, own := range p.own {
			clone.own[shopper] = maps.Clone(own)
		}
		products[id] = clone
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

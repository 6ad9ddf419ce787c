package audit

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/kit/config/keys"
)

// The gate's keys, as components/redislua lays them out.
const (
	gateProduct      = "mall:{mall}:product:"
	gateDue          = "mall:{mall}:due"
	adjustmentPrefix = "adj-" // a hold of a seller's change of stock
)

type gateFacts struct {
	products map[int64]gateProductRow
	// overdue is, by hold id, the time since a hold's deadline in seconds; negative: before it. Deadlines are read before
	// and after the products, because holds are made and released meanwhile: it contains those of both times.
	overdue map[string]float64
	// seenTwice are the holds that had a deadline both times.
	seenTwice map[string]bool
}

type gateProductRow struct {
	base, version, held int64
	present             bool
	holds               map[string]int64
}

func openRedis(m running.Mall) *redis.Client {
	if m.Redis.TLS {
		return redis.OpenTLS(m.Redis.Addr, m.Redis.Password)
	}
	return redis.Open(m.Redis.Addr, m.Redis.Password)
}

// readGate reads the gate and, from the same Redis, the setting order.cancel_grace in seconds.
func readGate(ctx context.Context, m running.Mall) (*gateFacts, float64, error) {
	c := openRedis(m)
	defer c.Close() //nolint:errcheck // every command has been answered
	return scanGate(ctx, c)
}

func scanGate(ctx context.Context, c *redis.Client) (*gateFacts, float64, error) {
	grace := keys.CancelGrace.Standard().Seconds()
	if raw, err := c.Get(ctx, keys.CancelGrace.Name).Result(); err == nil {
		if d, err := keys.CancelGrace.Parse(settings.Parse(raw).Text); err == nil {
			grace = d.Seconds()
		}
	}
	before, err := deadlines(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	g := &gateFacts{products: map[int64]gateProductRow{}, overdue: before, seenTwice: map[string]bool{}}
	products := c.Scan(ctx, 0, gateProduct+"*", 1000).Iterator()
	for products.Next(ctx) {
		if err := g.product(ctx, c, products.Val()); err != nil {
			return nil, 0, err
		}
	}
	if err := products.Err(); err != nil {
		return nil, 0, err
	}
	after, err := deadlines(ctx, c)
	for hold, over := range after {
		_, g.seenTwice[hold] = before[hold]
		g.overdue[hold] = over
	}
	return g, grace, err
}

func (g *gateFacts) product(ctx context.Context, c *redis.Client, key string) error {
	id, err := strconv.ParseInt(strings.TrimPrefix(key, gateProduct), 10, 64)
	if err != nil {
		return fmt.Errorf("key %s: %w", key, err)
	}
	fields, err := c.HGetAll(ctx, key).Result()
	if err != nil {
		return err
	}
	p := gateProductRow{holds: map[string]int64{}}
	for field, value := range fields {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("key %s, field %s: %w", key, field, err)
		}
		switch order, hold := strings.CutPrefix(field, "o:"); {
		case hold:
			p.holds[order] = n
		case order == "base":
			p.base, p.present = n, true
		case order == "version":
			p.version = n
		case order == "held":
			p.held = n
		}
	}
	g.products[id] = p
	return nil
}

func deadlines(ctx context.Context, c *redis.Client) (overdue map[string]float64, err error) {
	now, err := c.Time(ctx).Result()
	if err != nil {
		return nil, err
	}
	all, err := c.ZRangeWithScores(ctx, gateDue, 0, -1).Result()
	if err != nil {
		return nil, err
	}
	overdue = map[string]float64{}
	for _, z := range all {
		overdue[fmt.Sprint(z.Member)] = float64(now.Unix()) - z.Score/1000
	}
	return overdue, nil
}

// gateBook compares the gate with the ledger, and holds with orders.
func (f *facts) gateBook(b, stuck *Book) {
	if f.gate == nil {
		b.look("no Redis: the gate was not read")
		return
	}
	absent, holds := 0, 0
	for id, s := range f.stock {
		g, ok := f.gate.products[id]
		subject := fmt.Sprintf("product %d", id)
		switch {
		case !ok || !g.present:
			absent++
		case g.version > s.version:
			b.add(Violation, ruleBase, subject, "the gate has version %d, but the ledger only %d", g.version, s.version)
		case g.version < s.version:
			b.add(level(s.age), ruleBase, subject, "the gate has base %d of version %d, the ledger %d − %d of version %d",
				g.base, g.version, s.onHand, s.reserved, s.version)
		case g.base != s.onHand-s.reserved:
			b.add(Violation, ruleBase, subject, "the gate has base %d, the ledger %d − %d, both of version %d", g.base, s.onHand,
				s.reserved, s.version)
		}
	}
	seen := map[string]bool{}
	for id, g := range f.gate.products {
		sum := int64(0)
		for hold, quantity := range g.holds {
			sum += quantity
			seen[hold] = true
			f.hold(stuck, id, hold, quantity)
		}
		holds += len(g.holds)
		if sum != g.held {
			b.add(Violation, ruleHeld, fmt.Sprintf("product %d", id), "held is %d, but %d holds add up to %d", g.held,
				len(g.holds), sum)
		}
	}
	for hold, over := range f.gate.overdue {
		if !seen[hold] && f.gate.seenTwice[hold] {
			stuck.add(level(over), ruleHold, "hold "+hold, "it has a deadline but holds nothing")
		}
	}
	b.look("%d products in the gate (%d not loaded: the first buyer loads one), %d holds", len(f.gate.products),
		absent, holds)
}

// hold checks one hold. A hold before its deadline whose order does not exist yet is no finding.
func (f *facts) hold(b *Book, product int64, hold string, quantity int64) {
	subject := "hold " + hold
	over, due := f.gate.overdue[hold]
	if !due {
		b.add(Violation, ruleHold, subject, "%d of product %d are held without a deadline", quantity, product)
		return
	}
	id, err := strconv.ParseInt(hold, 10, 64)
	v, recorded := f.reservations[id]
	o, placed := f.orders[id]
	switch {
	case err != nil && !strings.HasPrefix(hold, adjustmentPrefix):
		b.add(Violation, ruleHold, subject, "this is not the id of an order")
	case recorded:
		// The base is already without the reserved stock, and the hold is subtracted again.
		b.add(level(v.age), ruleHold, subject, "%d of product %d are both held and reserved", quantity, product)
	case placed:
		b.add(level(o.sinceCreated), ruleHold, subject, "order %d is %s and its reservation is not recorded", id, o.status)
	case over > 0:
		b.add(level(over), ruleHold, subject,
			"%d of product %d are held for an order that does not exist, %.0f s past their time", quantity, product, over)
	}
}

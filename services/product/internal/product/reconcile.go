package product

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"daprmall.dev/services/kit/problem"
)

const (
	dueBatch     = 100
	dueAtOnce    = 8
	inspectBatch = 200
	sweepBatches = 10 // 2,000 products each time: soon all of a small mall, and no burden in a big one
)

// Reconciler keeps the gate true to the ledger: it decides what becomes of holds
// whose time is over, and repairs whatever a crash, a lost message or a restored
// Redis left behind. Everything it does may be done twice, by two replicas too.
type Reconciler struct {
	store   Store
	gate    Gate
	orders  Orders
	feed    Feed
	ttl     func() time.Duration
	metrics Metrics
	log     *slog.Logger
	now     func() time.Time

	runID    string // of the Redis that was last brought in line as a whole
	swept    string // the product up to which Converge has come
	restored restored
}

// NewReconciler makes the workers' use cases.
func NewReconciler(store Store, gate Gate, orders Orders, feed Feed, ttl func() time.Duration, meter Metrics, log *slog.Logger) *Reconciler {
	return &Reconciler{store: store, gate: gate, orders: orders, feed: feed, ttl: ttl, metrics: meter, log: log, now: time.Now}
}

// ExpireHolds takes the holds whose time is over through the fence. One that
// cannot be decided now stays for the next round.
func (k *Reconciler) ExpireHolds(ctx context.Context) error {
	for {
		decided, more, err := k.expireSome(ctx)
		if err != nil || !more || decided == 0 {
			return err
		}
	}
}

// expireSome decides one batch, several at a time: after a sale that collapsed
// there are thousands, and each question is a call to order.
func (k *Reconciler) expireSome(ctx context.Context) (decided int, more bool, err error) {
	due, err := k.gate.Due(ctx, dueBatch)
	if err != nil || len(due) == 0 {
		return 0, false, err
	}
	ids := make([]string, len(due))
	for i, h := range due {
		ids[i] = h.ID
	}
	_, recorded, err := k.store.StockSnapshot(ctx, nil, ids)
	if err != nil {
		return 0, false, err
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		away error // order cannot be reached: no use in asking about the next hold
		free = make(chan struct{}, dueAtOnce)
	)
	gone := func() error { mu.Lock(); defer mu.Unlock(); return away }
	for _, h := range due {
		free <- struct{}{}
		if gone() != nil && !recorded[h.ID] {
			<-free
			continue
		}
		wg.Go(func() {
			defer func() { <-free }()
			outcome, err := k.expire(ctx, h, recorded[h.ID])
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				decided++
			} else {
				outcome = "failed"
				if kind := problem.KindOf(err); kind == problem.Unavailable || kind == problem.Timeout {
					away = err
				} else {
					k.log.WarnContext(ctx, "hold not decided, trying again", "hold", h.ID, "error", err)
				}
			}
			k.metrics.HoldExpired(outcome)
		})
	}
	wg.Wait()
	return decided, len(due) == dueBatch, away
}

func (k *Reconciler) expire(ctx context.Context, h Hold, recorded bool) (outcome string, err error) {
	switch {
	case recorded:
		// The ledger has it: an apply got lost. It goes in one step with the base
		// that contains it; unhold only clears what belongs to no product any more.
		products := make([]string, len(h.Lines))
		for i, l := range h.Lines {
			products[i] = l.ProductID
		}
		if err := k.reconcileProducts(ctx, products); err != nil {
			return "", err
		}
		return "recorded", k.gate.Unhold(ctx, h.ID)
	case strings.HasPrefix(h.ID, adjustmentPrefix):
		// Its transaction is long over or will find too little; the ledger's own
		// guard stands behind it.
		return "released", k.gate.Unhold(ctx, h.ID)
	}
	exists, err := k.orders.Fence(ctx, h.ID)
	if err != nil {
		return "", fmt.Errorf("ask order: %w", err)
	}
	if exists {
		return "extended", k.gate.Extend(ctx, h.ID, k.ttl())
	}
	return "released", k.gate.Unhold(ctx, h.ID)
}

// Reconcile brings all products with open holds in line, and goes on with the
// others where it stopped: an apply may be lost though nobody died, when the answer
// to its commit was, and a release leaves no hold by which it would be found.
func (k *Reconciler) Reconcile(ctx context.Context) error {
	for cursor := ""; ; {
		ids, next, err := k.gate.Held(ctx, cursor, inspectBatch)
		if err != nil {
			return err
		}
		if err := k.reconcileProducts(ctx, ids); err != nil {
			return err
		}
		if next == "" {
			break
		}
		cursor = next
	}
	for range sweepBatches {
		last, err := k.alignAfter(ctx, k.swept)
		if err != nil {
			return err
		}
		if k.swept = last; last == "" {
			return nil
		}
	}
	return nil
}

// alignAfter brings the next products in line and names the last of them, none
// after the end.
func (k *Reconciler) alignAfter(ctx context.Context, after string) (last string, err error) {
	ids, err := k.store.StockIDs(ctx, after, inspectBatch)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[len(ids)-1], k.reconcileProducts(ctx, ids)
}

// WatchRedis brings every product in line when Redis is not the one it was: it restarted, perhaps from an old snapshot, perhaps
// empty. It does the same once after the ledger was restored, as soon as the ledger has heard again what it had lost.
func (k *Reconciler) WatchRedis(ctx context.Context) error {
	id, err := k.gate.RunID(ctx)
	if err != nil {
		return err
	}
	heard, err := k.heardAgain(ctx)
	if err != nil {
		return err
	}
	if id == k.runID && !heard {
		return nil
	}
	if k.runID != "" {
		k.log.WarnContext(ctx, "applying every product: Redis started anew, or the ledger was restored", "run_id", id, "ledger", heard)
	}
	began := k.now()
	for after := ""; ; {
		last, err := k.alignAfter(ctx, after)
		if err != nil {
			return err
		}
		if last == "" {
			break
		}
		after = last
	}
	k.runID = id
	if heard {
		k.restored.over(began)
	}
	return nil
}

// reconcileProducts applies the ledger's truth to products.
func (k *Reconciler) reconcileProducts(ctx context.Context, productIDs []string) error {
	older, newer, err := k.compare(ctx, productIDs)
	if err != nil {
		return err
	}
	if err := k.correct(ctx, older); err != nil || len(newer) == 0 {
		return err
	}
	if err := k.replace(ctx, newer); err != nil {
		return err
	}
	// What was committed after the comparison, the gate refused as older than what has just been replaced.
	older, _, err = k.compare(ctx, productIDs)
	if err != nil {
		return err
	}
	return k.correct(ctx, older)
}

func (k *Reconciler) correct(ctx context.Context, items []Apply) error {
	if len(items) == 0 {
		return nil
	}
	k.metrics.Corrected(len(items))
	return k.gate.Apply(ctx, items)
}

// compare finds products of which the gate has something older than the ledger, or newer. Which holds are recorded is read in the same
// snapshot as the stock: read later, it could remove a hold whose order is not in the base yet. The ledger is read after the gate, and
// tells the gate only what it has committed: what the gate has newer, or different in the same version, the ledger has lost.
func (k *Reconciler) compare(ctx context.Context, productIDs []string) (older, newer []Apply, err error) {
	if len(productIDs) == 0 {
		return nil, nil, nil
	}
	gated, err := k.gate.Inspect(ctx, productIDs)
	if err != nil {
		return nil, nil, err
	}
	by := make(map[string]GateEntry, len(gated))
	var open []string
	for _, g := range gated {
		by[g.ProductID] = g
		for id := range g.Holds {
			open = append(open, id)
		}
	}
	stock, recorded, err := k.store.StockSnapshot(ctx, productIDs, open)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range stock {
		g := by[s.ProductID]
		item := Apply{Stock: s}
		for id := range g.Holds {
			if recorded[id] {
				item.Recorded = append(item.Recorded, id)
			}
		}
		switch {
		case g.Present && (g.Version > s.Version || g.Version == s.Version && g.Base != s.Available()):
			item.InsteadOf = &g.Version
			newer = append(newer, item)
		case !g.Present || g.Version < s.Version || len(item.Recorded) > 0:
			older = append(older, item)
		}
	}
	return older, newer, nil
}

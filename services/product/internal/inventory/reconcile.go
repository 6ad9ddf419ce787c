package inventory

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
	sweepBatches = 10 // 2,000 products each time: soon all of a small mall, and a small load in a big one
)

// Reconciler makes the gate agree with the ledger: it decides about expired holds, and repairs what a crash, a lost
// message or a restored Redis left behind. All of it may be repeated, also by several replicas.
type Reconciler struct {
	store   Store
	gate    Gate
	orders  Orders
	feed    Feed
	ttl     func() time.Duration
	metrics Metrics
	log     *slog.Logger
	now     func() time.Time

	runID    string // of the Redis to which all products were last applied
	swept    string // the last product that Reconcile has visited without looking for holds
	restored restored
}

// NewReconciler makes a Reconciler; ttl is how long a hold lives without an order.
func NewReconciler(
	store Store, gate Gate, orders Orders, feed Feed, ttl func() time.Duration, metrics Metrics, log *slog.Logger,
) *Reconciler {
	return &Reconciler{
		store:   store,
		gate:    gate,
		orders:  orders,
		feed:    feed,
		ttl:     ttl,
		metrics: metrics,
		log:     log,
		now:     time.Now,
	}
}

// ExpireHolds asks the fence about expired holds. One that cannot be decided now stays for the next round.
func (r *Reconciler) ExpireHolds(ctx context.Context) error {
	for {
		decided, more, err := r.expireSome(ctx)
		if err != nil || !more || decided == 0 {
			return err
		}
	}
}

// expireSome decides one batch, several holds at a time: after an interrupted sale there are thousands, and each one is
// a call to order.
func (r *Reconciler) expireSome(ctx context.Context) (decided int, more bool, err error) {
	due, err := r.gate.Due(ctx, dueBatch)
	if err != nil || len(due) == 0 {
		return 0, false, err
	}
	ids := make([]string, len(due))
	for i, h := range due {
		ids[i] = h.ID
	}
	_, recorded, err := r.store.StockSnapshot(ctx, nil, ids)
	if err != nil {
		return 0, false, err
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		away error // order cannot be reached, so it is not asked about the next hold
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
			outcome, err := r.expire(ctx, h, recorded[h.ID])
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				decided++
			} else {
				outcome = "failed"
				if kind := problem.KindOf(err); kind == problem.Unavailable || kind == problem.Timeout {
					away = err
				} else {
					r.log.WarnContext(ctx, "hold not decided, trying again", "hold", h.ID, "error", err)
				}
			}
			r.metrics.HoldExpired(outcome)
		})
	}
	wg.Wait()
	return decided, len(due) == dueBatch, away
}

func (r *Reconciler) expire(ctx context.Context, h Hold, recorded bool) (outcome string, err error) {
	switch {
	case recorded:
		// The ledger has it: an apply was lost. The hold is removed in one step with the base that contains it; unhold only
		// clears what belongs to no product any more.
		products := make([]string, len(h.Lines))
		for i, l := range h.Lines {
			products[i] = l.ProductID
		}
		if err := r.reconcileProducts(ctx, products); err != nil {
			return "", err
		}
		return "recorded", r.gate.Unhold(ctx, h.ID)
	case strings.HasPrefix(h.ID, adjustmentPrefix):
		// Its transaction is long over; if it is not, the ledger's own guard decides.
		return "released", r.gate.Unhold(ctx, h.ID)
	}
	exists, err := r.orders.Fence(ctx, h.ID)
	if err != nil {
		return "", fmt.Errorf("ask order: %w", err)
	}
	if exists {
		return "extended", r.gate.Extend(ctx, h.ID, r.ttl())
	}
	return "released", r.gate.Unhold(ctx, h.ID)
}

// Reconcile makes all products with open holds agree with the ledger, and then some of the others, continuing where it
// stopped: an apply is also lost without a crash, when the answer to its commit is, and a release leaves no hold to
// find it by.
func (r *Reconciler) Reconcile(ctx context.Context) error {
	for cursor := ""; ; {
		ids, next, err := r.gate.Held(ctx, cursor, inspectBatch)
		if err != nil {
			return err
		}
		if err := r.reconcileProducts(ctx, ids); err != nil {
			return err
		}
		if next == "" {
			break
		}
		cursor = next
	}
	for range sweepBatches {
		last, err := r.reconcileAfter(ctx, r.swept)
		if err != nil {
			return err
		}
		if r.swept = last; last == "" {
			return nil
		}
	}
	return nil
}

// reconcileAfter makes the next products after one agree with the ledger. It returns the last of them, or "" at the
// end.
func (r *Reconciler) reconcileAfter(ctx context.Context, after string) (last string, err error) {
	ids, err := r.store.StockIDs(ctx, after, inspectBatch)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[len(ids)-1], r.reconcileProducts(ctx, ids)
}

// WatchRedis applies every product when Redis has restarted, perhaps from an old snapshot, perhaps empty. It does the
// same once after the ledger was restored, as soon as the ledger has read again the events that it had lost.
func (r *Reconciler) WatchRedis(ctx context.Context) error {
	id, err := r.gate.RunID(ctx)
	if err != nil {
		return err
	}
	heard, err := r.heardAgain(ctx)
	if err != nil {
		return err
	}
	if id == r.runID && !heard {
		return nil
	}
	if r.runID != "" {
		r.log.WarnContext(
			ctx, "applying every product: Redis started anew, or the ledger was restored", "run_id", id, "ledger", heard,
		)
	}
	began := r.now()
	for after := ""; ; {
		last, err := r.reconcileAfter(ctx, after)
		if err != nil {
			return err
		}
		if last == "" {
			break
		}
		after = last
	}
	r.runID = id
	if heard {
		r.restored.over(began)
	}
	return nil
}

// reconcileProducts makes products in the gate agree with the ledger.
func (r *Reconciler) reconcileProducts(ctx context.Context, productIDs []string) error {
	older, newer, err := r.compare(ctx, productIDs)
	if err != nil {
		return err
	}
	if err := r.correct(ctx, older); err != nil || len(newer) == 0 {
		return err
	}
	if err := r.replace(ctx, newer); err != nil {
		return err
	}
	// The gate refused changes committed after the comparison as older than what has just been replaced.
	older, _, err = r.compare(ctx, productIDs)
	if err != nil {
		return err
	}
	return r.correct(ctx, older)
}

func (r *Reconciler) correct(ctx context.Context, items []Apply) error {
	if len(items) == 0 {
		return nil
	}
	r.metrics.Corrected(len(items))
	return r.gate.Apply(ctx, items)
}

// compare finds products whose entry in the gate is older than the ledger, or newer. Recorded holds are read in the
// same snapshot as the stock: read later, a hold could be removed whose order is not in the base yet. The ledger is
// read after the gate, and only committed stock is applied: so what the gate has newer, or different in the same
// version, the ledger has lost.
func (r *Reconciler) compare(ctx context.Context, productIDs []string) (older, newer []Apply, err error) {
	if len(productIDs) == 0 {
		return nil, nil, nil
	}
	gated, err := r.gate.Inspect(ctx, productIDs)
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
	stock, recorded, err := r.store.StockSnapshot(ctx, productIDs, open)
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

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
	dueBatch     = 100 // holds past their deadline that are decided together
	maxParallel  = 8
	inspectBatch = 200
	sweepBatches = 10 // batches of products without open holds per round: 2,000 products
)

// Reconciler makes the gate agree with the ledger: it decides about expired holds, and repairs what a crash, a lost
// message or a restored Redis left behind. All of it may be repeated, also by several replicas.
type Reconciler struct {
	store   Store
	gate    Gate
	orders  Orders
	feed    Feed
	holdTTL func() time.Duration
	metrics Metrics
	log     *slog.Logger
	now     func() time.Time

	runID       string // of the Redis server to which all products were last applied
	lastVisited string // the last product that Reconcile has visited besides those with open holds
	restored    restoreState
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
		holdTTL: ttl,
		metrics: metrics,
		log:     log,
		now:     time.Now,
	}
}

// ExpireHolds decides about holds past their deadline: see expire. One that cannot be decided now stays for the next
// round.
func (r *Reconciler) ExpireHolds(ctx context.Context) error {
	for {
		decided, more, err := r.expireSome(ctx)
		if err != nil || !more || decided == 0 {
			return err
		}
	}
}

// expireSome decides a batch of holds, several at a time: after an interrupted sale there are thousands, and each needs
// a call of order.
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
		wg          sync.WaitGroup
		mu          sync.Mutex
		unreachable error // set once order cannot be reached: it is not asked about the other holds then
		slots       = make(chan struct{}, maxParallel)
	)
	orderUnreachable := func() error { mu.Lock(); defer mu.Unlock(); return unreachable }
	for _, h := range due {
		slots <- struct{}{}
		if orderUnreachable() != nil && !recorded[h.ID] {
			<-slots
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			outcome, err := r.expire(ctx, h, recorded[h.ID])
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				decided++
			} else {
				outcome = "failed"
				if kind := problem.KindOf(err); kind == problem.Unavailable || kind == problem.Timeout {
					unreachable = err
				} else {
					r.log.WarnContext(ctx, "hold not decided, trying again", "hold", h.ID, "error", err)
				}
			}
			r.metrics.HoldExpired(outcome)
		})
	}
	wg.Wait()
	return decided, len(due) == dueBatch, unreachable
}

// expire decides about one hold past its deadline. If the ledger has recorded it, it is no longer needed. Otherwise the
// fence decides: the hold of an order that exists stays until the order is recorded; if the order does not exist, it
// can never be created from now on, and the hold is released.
func (r *Reconciler) expire(ctx context.Context, h Hold, recorded bool) (outcome string, err error) {
	switch {
	case recorded:
		// The ledger has recorded the order, but the gate was not told. Reconciling removes the hold in one step with the
		// base that contains it. Unhold then removes the rest of the hold, for products that the gate has lost.
		products := make([]string, len(h.Lines))
		for i, l := range h.Lines {
			products[i] = l.ProductID
		}
		if err := r.reconcileProducts(ctx, products); err != nil {
			return "", err
		}
		return "recorded", r.gate.Unhold(ctx, h.ID)
	case strings.HasPrefix(h.ID, AdjustmentPrefix):
		// The adjustment's transaction ended long ago without a commit. If it is still running, it cannot take reserved
		// stock: a constraint of the ledger prevents that.
		return "released", r.gate.Unhold(ctx, h.ID)
	}
	exists, err := r.orders.Fence(ctx, h.ID)
	if err != nil {
		return "", fmt.Errorf("ask order: %w", err)
	}
	if exists {
		return "extended", r.gate.Extend(ctx, h.ID, r.holdTTL())
	}
	return "released", r.gate.Unhold(ctx, h.ID)
}

// Reconcile makes the gate agree with the ledger for all products with open holds, and then for some of the others,
// where the last round stopped. The others need it too: if the response to a commit is lost, GateSync is not told of
// the change, and after a release there is no hold that would show it.
func (r *Reconciler) Reconcile(ctx context.Context) error {
	for cursor := ""; ; {
		ids, next, err := r.gate.HeldProducts(ctx, cursor, inspectBatch)
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
		last, err := r.reconcileAfter(ctx, r.lastVisited)
		if err != nil {
			return err
		}
		if r.lastVisited = last; last == "" {
			return nil
		}
	}
	return nil
}

// reconcileAfter reconciles the next products after this id. It returns the last of them, or "" at the end.
func (r *Reconciler) reconcileAfter(ctx context.Context, after string) (last string, err error) {
	ids, err := r.store.StockIDs(ctx, after, inspectBatch)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[len(ids)-1], r.reconcileProducts(ctx, ids)
}

// WatchRedis reconciles every product when Redis has restarted, perhaps empty or from an old snapshot, and at the start
// of this process. It does the same once after the ledger was restored, as soon as the inbox has read the events that
// the ledger had lost.
func (r *Reconciler) WatchRedis(ctx context.Context) error {
	id, err := r.gate.RunID(ctx)
	if err != nil {
		return err
	}
	caughtUp, err := r.caughtUpSinceRestore(ctx)
	if err != nil {
		return err
	}
	if id == r.runID && !caughtUp {
		return nil
	}
	if r.runID != "" {
		r.log.WarnContext(
			ctx, "applying every product: Redis started anew, or the ledger was restored", "run_id", id, "ledger", caughtUp,
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
	if caughtUp {
		r.restored.clearIfBefore(began)
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
	if err := r.applyRestored(ctx, newer); err != nil {
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

// compare returns the products of which the gate has an older stock than the ledger, or recorded holds, and those of
// which it has a newer one. Recorded holds are read in one snapshot with the stock: read later, they could contain an
// order that is not in the stock yet, and its hold would be removed too early. The gate is read before the ledger, and
// only committed stock is applied. So if the gate has a newer version, or other stock of the same version, the ledger
// has lost changes.
func (r *Reconciler) compare(ctx context.Context, productIDs []string) (older, newer []Apply, err error) {
	if len(productIDs) == 0 {
		return nil, nil, nil
	}
	entries, err := r.gate.Inspect(ctx, productIDs)
	if err != nil {
		return nil, nil, err
	}
	entryOf := make(map[string]GateEntry, len(entries))
	var open []string
	for _, g := range entries {
		entryOf[g.ProductID] = g
		for id := range g.Holds {
			open = append(open, id)
		}
	}
	stock, recorded, err := r.store.StockSnapshot(ctx, productIDs, open)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range stock {
		g := entryOf[s.ProductID]
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

package inventory

import (
	"context"
	"sync"
	"time"
)

// feedMargin is how much later than the discovery of a restored ledger the feed of orders must have been read to its
// end: the inbox does not ask the feed for events younger than ten seconds, and two clocks may differ.
const feedMargin = 15 * time.Second

// restoreState remembers when it was discovered that the ledger has lost changes that the gate has: the database was
// restored, or a replica that lagged behind was promoted.
type restoreState struct {
	mu    sync.Mutex
	since time.Time
}

func (r *restoreState) notice(now time.Time) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first = r.since.IsZero(); first {
		r.since = now
	}
	return first
}

func (r *restoreState) noticedAt() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.since }

// clearIfBefore forgets a discovery that was made before all products were reconciled.
func (r *restoreState) clearIfBefore(began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.since.After(began) {
		r.since = time.Time{}
	}
}

func (r *restoreState) noticeAgain(now time.Time) { r.mu.Lock(); r.since = now; r.mu.Unlock() }

// caughtUpSinceRestore reports whether product has read the feed of orders to its end since the discovery. Until then
// the gate's stock is the better one: it has not lost what was sold.
func (r *Reconciler) caughtUpSinceRestore(ctx context.Context) (bool, error) {
	since := r.restored.noticedAt()
	if since.IsZero() {
		return false, nil
	}
	read, err := r.feed.ReadAt(ctx)
	return read.After(since.Add(feedMargin)), err
}

// applyRestored replaces newer stock in the gate by that of a restored ledger, once the ledger has caught up. It is a
// call of its own, because a component of the previous version refuses it, and must not refuse other products with it.
// What was refused is tried again later.
func (r *Reconciler) applyRestored(ctx context.Context, items []Apply) error {
	if r.restored.notice(r.now()) {
		r.metrics.LedgerRestored()
		r.log.ErrorContext(
			ctx, "the stock gate has changes that the ledger has not: the database was restored", "product",
			items[0].Stock.ProductID, "gate_version", *items[0].InsteadOf, "ledger_version", items[0].Stock.Version,
		)
	}
	caughtUp, err := r.caughtUpSinceRestore(ctx)
	if err != nil || !caughtUp {
		return err
	}
	if err := r.correct(ctx, items); err != nil {
		r.log.WarnContext(
			ctx, "the gate did not take the restored ledger's stock, trying again", "products", len(items), "error", err,
		)
		r.restored.noticeAgain(r.now())
	}
	return nil
}

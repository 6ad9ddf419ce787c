package inventory

import (
	"context"
	"sync"
	"time"
)

// settle is how long after a restored ledger was noticed its feed must have been read to count as complete: the feed
// leaves events younger than ten seconds to the broker, and two clocks may differ.
const settle = 15 * time.Second

// restored remembers when the ledger was found to have lost changes that the gate has: its database was restored, or a
// replica that lagged behind was promoted.
type restored struct {
	mu    sync.Mutex
	since time.Time
}

func (r *restored) found(now time.Time) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first = r.since.IsZero(); first {
		r.since = now
	}
	return first
}

func (r *restored) at() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.since }

// over ends it, unless it was found (again) after a pass over all products began.
func (r *restored) over(began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.since.After(began) {
		r.since = time.Time{}
	}
}

func (r *restored) again(now time.Time) { r.mu.Lock(); r.since = now; r.mu.Unlock() }

// heardAgain reports whether a restored ledger has read the feed of orders to its end since. Until then the gate knows
// better than the ledger what is left, because the gate has not lost what was sold.
func (r *Reconciler) heardAgain(ctx context.Context) (bool, error) {
	since := r.restored.at()
	if since.IsZero() {
		return false, nil
	}
	read, err := r.feed.ReadAt(ctx)
	return read.After(since.Add(settle)), err
}

// replace puts the ledger's stock in place of what the gate has of another history, by a call of its own: a component
// of the previous version refuses it, and must not refuse others with it. What was refused is tried again later.
func (r *Reconciler) replace(ctx context.Context, items []Apply) error {
	if r.restored.found(r.now()) {
		r.metrics.LedgerRestored()
		r.log.ErrorContext(
			ctx, "the stock gate has changes that the ledger has not: the database was restored", "product",
			items[0].Stock.ProductID, "gate_version", *items[0].InsteadOf, "ledger_version", items[0].Stock.Version,
		)
	}
	heard, err := r.heardAgain(ctx)
	if err != nil || !heard {
		return err
	}
	if err := r.correct(ctx, items); err != nil {
		r.log.WarnContext(
			ctx, "the gate did not take the restored ledger's stock, trying again", "products", len(items), "error", err,
		)
		r.restored.again(r.now())
	}
	return nil
}

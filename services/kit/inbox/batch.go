package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
)

const (
	maxBatch       = 100              // events that share a transaction
	batchTimeout   = 5 * time.Second  // the events of a batch that takes longer are handled alone
	handlerTimeout = 30 * time.Second // for an event that is handled alone
	maxParallel    = 16               // events that are handled alone at the same time
	// keyLockSpace is the first of the two numbers of an advisory lock of an event's key; the second is the key's hash. No
	// other lock of a service's database uses it.
	keyLockSpace = 20260102
)

// delivery is an event that is to be handled.
type delivery struct {
	event outbox.CloudEvent
	raw   []byte
	via   string // "push": by the broker; "feed": by CatchUp
	done  chan error
}

// enqueue adds deliveries to those that wait, and starts the inbox's worker if it is not running. Nil entries are
// skipped.
func (in *Inbox) enqueue(deliveries []*delivery) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, d := range deliveries {
		if d != nil {
			in.waiting = append(in.waiting, d)
		}
	}
	if len(in.waiting) > 0 && !in.working {
		in.working = true
		go in.work()
	}
}

// work handles waiting deliveries until none is left. It runs detached from the requests that brought them, so that a
// caller that disconnects does not cancel the events of others. Each of its steps has a time-out.
func (in *Inbox) work() {
	for {
		in.mu.Lock()
		n := min(len(in.waiting), maxBatch)
		batch := in.waiting[:n:n]
		in.waiting = in.waiting[n:]
		if n == 0 {
			in.waiting, in.working = nil, false
			in.mu.Unlock()
			return
		}
		in.mu.Unlock()
		in.handleBatch(context.Background(), batch)
	}
}

// handleBatch handles deliveries in one transaction. If that fails, each is handled, and if necessary parked, alone.
func (in *Inbox) handleBatch(ctx context.Context, batch []*delivery) {
	if len(batch) > 1 {
		batchCtx, cancel := context.WithTimeout(ctx, batchTimeout)
		err := in.handleOnce(batchCtx, batch)
		cancel()
		if err == nil {
			for _, d := range batch {
				received.WithLabelValues(d.event.Type, d.via).Inc()
				d.done <- nil
			}
			return
		}
	}
	forEachLimited(batch, func(d *delivery) { d.done <- in.handleAlone(ctx, d) })
}

// handleAlone handles an event in a transaction of its own. If that fails the event is parked.
func (in *Inbox) handleAlone(ctx context.Context, d *delivery) error {
	ctx, cancel := context.WithTimeout(traced(ctx, d.event), handlerTimeout)
	defer cancel()
	err := in.handleOnce(ctx, []*delivery{d})
	if err == nil {
		received.WithLabelValues(d.event.Type, d.via).Inc()
		return nil
	}
	in.log.WarnContext(ctx, "event parked", "type", d.event.Type, "id", d.event.ID, "key", d.event.Subject, "error", err)
	return in.park(context.WithoutCancel(ctx), *d, err)
}

// forEachLimited runs f for each of all, at most maxParallel at a time, and returns when all are done.
func forEachLimited[T any](all []T, f func(T)) {
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for _, one := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(one)
		})
	}
	wg.Wait()
}

// handleOnce records events and runs their handlers, except for events that the inbox already has, done or parked.
// Detached handlers run first and outside the transaction.
func (in *Inbox) handleOnce(ctx context.Context, batch []*delivery) error {
	var inside, detached []*delivery
	for _, d := range batch {
		if h, _ := in.handler(d.event.Type); h.detached {
			detached = append(detached, d)
		} else {
			inside = append(inside, d)
		}
	}
	if len(detached) > 0 {
		if err := in.handleDetachedOnce(ctx, detached); err != nil {
			return err
		}
	}
	if len(inside) == 0 {
		return nil
	}
	return postgres.InTx(ctx, in.db, func(ctx context.Context, tx *gorm.DB) error {
		fresh, err := recordNew(tx, inside)
		if err != nil {
			return err
		}
		return in.runHandlers(ctx, inside, fresh)
	})
}

// runHandlers runs the handlers of fresh events, in the order in which the handlers were added: all events of a type at
// once.
func (in *Inbox) runHandlers(ctx context.Context, batch []*delivery, fresh map[string]bool) error {
	var all []outbox.CloudEvent
	byType := map[string][]outbox.CloudEvent{}
	for _, d := range batch {
		if fresh[d.event.ID] {
			all = append(all, d.event)
			byType[d.event.Type] = append(byType[d.event.Type], d.event)
			delete(fresh, d.event.ID) // the batch may contain a second copy
		}
	}
	if in.lockFirst != nil && len(byType) > 1 {
		if err := in.lockFirst(ctx, all); err != nil {
			return fmt.Errorf("lock what %d events change: %w", len(all), err)
		}
	}
	for _, h := range in.handlers {
		if events := byType[h.eventType]; len(events) > 0 {
			if err := h.guarded(ctx, events...); err != nil {
				return err
			}
		}
	}
	return nil
}

// handleDetachedOnce runs detached handlers and then records the events of those that succeeded. The error contains the
// failures of the others.
func (in *Inbox) handleDetachedOnce(ctx context.Context, batch []*delivery) error {
	ids := make([]string, len(batch))
	for i, d := range batch {
		ids[i] = d.event.ID
	}
	seen, err := in.seen(ctx, ids)
	if err != nil {
		return err
	}
	var fresh, handled []*delivery
	for _, d := range batch {
		if !seen[d.event.ID] {
			fresh = append(fresh, d)
			seen[d.event.ID] = true
		}
	}
	var mu sync.Mutex
	var failed error
	forEachLimited(fresh, func(d *delivery) {
		h, _ := in.handler(d.event.Type)
		err := h.guarded(ctx, d.event)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		handled = append(handled, d)
	})
	if len(handled) > 0 {
		if _, err := recordNew(in.db.WithContext(context.WithoutCancel(ctx)), handled); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// recordNew inserts the rows of events that the inbox does not have, locks the keys of these events until the
// transaction ends, and returns their ids. Rows are inserted in the order of their ids, and keys are locked in the
// order of their hashes, before the first handler runs: handlers lock the aggregates that the keys name, type by type,
// so two transactions with events of several types could otherwise deadlock.
func recordNew(db *gorm.DB, batch []*delivery) (map[string]bool, error) {
	type row struct {
		ID     string `json:"id"`
		Source string `json:"source"`
		Type   string `json:"type"`
		Key    string `json:"key"`
		Via    string `json:"via"`
	}
	rows := make([]row, len(batch))
	for i, d := range batch {
		rows[i] = row{d.event.ID, d.event.Source, d.event.Type, d.event.Subject, d.via}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return nil, err
	}
	var found []struct{ ID string }
	// OFFSET 0 keeps the planner from calling the lock function before the sort. Keys with the same hash share a lock.
	err = db.Raw(`WITH fresh AS (
			INSERT INTO inbox (id, source, type, key, status, via, handled_at)
			SELECT id, source, type, key, 'done', via, now()
			FROM jsonb_to_recordset(?::jsonb) AS e(id text, source text, type text, key text, via text)
			ORDER BY id ON CONFLICT (id) DO NOTHING RETURNING id, hashtext(key) AS lock
		)
		SELECT id, pg_advisory_xact_lock(?, lock) FROM (SELECT id, lock FROM fresh ORDER BY lock OFFSET 0) f`,
		string(text), keyLockSpace).Scan(&found).Error
	if err != nil {
		return nil, fmt.Errorf("record events: %w", err)
	}
	fresh := make(map[string]bool, len(found))
	for _, f := range found {
		fresh[f.ID] = true
	}
	return fresh, nil
}

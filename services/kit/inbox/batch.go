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
	maxBatch        = 100              // events that share a transaction
	togetherTimeout = 5 * time.Second  // a batch that takes longer is taken apart
	handlerTimeout  = 30 * time.Second // for one event alone
	atOnce          = 16               // events of a batch that are handled side by side where each is on its own
	keyLocks        = 20260102         // the first number of the advisory locks of events' keys
)

// delivery is an event on its way in.
type delivery struct {
	event outbox.CloudEvent
	raw   []byte
	via   string // push or feed
	done  chan error
}

// enqueue hands deliveries to the one worker of this inbox, which ends when nothing waits any more.
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

// work belongs to no request: a caller that goes away takes neither its event nor those of others with it. All it does
// is bounded in time.
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
		in.take(context.Background(), batch)
	}
}

// take handles deliveries in one transaction. If that fails, each is handled, or parked, alone.
func (in *Inbox) take(ctx context.Context, batch []*delivery) {
	if len(batch) > 1 {
		together, cancel := context.WithTimeout(ctx, togetherTimeout)
		err := in.once(together, batch)
		cancel()
		if err == nil {
			for _, d := range batch {
				received.WithLabelValues(d.event.Type, d.via).Inc()
				d.done <- nil
			}
			return
		}
	}
	forEachLimited(batch, func(d *delivery) { d.done <- in.takeOne(ctx, d) })
}

func (in *Inbox) takeOne(ctx context.Context, d *delivery) error {
	ctx, cancel := context.WithTimeout(traced(ctx, d.event), handlerTimeout)
	defer cancel()
	err := in.once(ctx, []*delivery{d})
	if err == nil {
		received.WithLabelValues(d.event.Type, d.via).Inc()
		return nil
	}
	in.log.WarnContext(ctx, "event parked", "type", d.event.Type, "id", d.event.ID, "key", d.event.Subject, "error", err)
	return in.park(context.WithoutCancel(ctx), *d, err)
}

// forEachLimited runs f for some of all at a time and returns when it has run for all.
func forEachLimited[T any](all []T, f func(T)) {
	places := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for _, one := range all {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			f(one)
		})
	}
	wg.Wait()
}

// once records events and runs their handlers, except for events that the inbox has already, done or parked.
func (in *Inbox) once(ctx context.Context, batch []*delivery) error {
	var inside, detached []*delivery
	for _, d := range batch {
		if h, _ := in.handler(d.event.Type); h.detached {
			detached = append(detached, d)
		} else {
			inside = append(inside, d)
		}
	}
	if len(detached) > 0 {
		if err := in.onceDetached(ctx, detached); err != nil {
			return err
		}
	}
	if len(inside) == 0 {
		return nil
	}
	return postgres.InTx(ctx, in.db, func(ctx context.Context, tx *gorm.DB) error {
		fresh, err := record(tx, inside)
		if err != nil {
			return err
		}
		return in.handle(ctx, inside, fresh)
	})
}

// handle runs the handlers of fresh events, in the order the handlers were named: all events of a type at once.
func (in *Inbox) handle(ctx context.Context, batch []*delivery, fresh map[string]bool) error {
	var all []outbox.CloudEvent
	byType := map[string][]outbox.CloudEvent{}
	for _, d := range batch {
		if fresh[d.event.ID] {
			all = append(all, d.event)
			byType[d.event.Type] = append(byType[d.event.Type], d.event)
			delete(fresh, d.event.ID) // a copy in the same batch
		}
	}
	if in.lockAll != nil && len(byType) > 1 {
		if err := in.lockAll(ctx, all); err != nil {
			return fmt.Errorf("lock what %d events change: %w", len(all), err)
		}
	}
	for _, h := range in.handlers {
		if events := byType[h.event]; len(events) > 0 {
			if err := h.guarded(ctx, events...); err != nil {
				return err
			}
		}
	}
	return nil
}

// onceDetached records what its handlers have done; those that failed are not recorded, and the error tells of them.
func (in *Inbox) onceDetached(ctx context.Context, batch []*delivery) error {
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
		if _, err := record(in.db.WithContext(context.WithoutCancel(ctx)), handled); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// record writes the rows of events, locks the keys of those that were not there until the transaction ends, and gives
// their ids. Rows are written in the order of their ids and keys are locked in one order, before the first handler
// runs: handlers lock type by type what the keys name, and two transactions with events of several types would wait for
// each other in a circle.
func record(db *gorm.DB, batch []*delivery) (map[string]bool, error) {
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
	// OFFSET keeps the planner from calling the lock function before it sorts. Keys whose hashes collide share a lock.
	err = db.Raw(`WITH fresh AS (
			INSERT INTO inbox (id, source, type, key, status, via, handled_at)
			SELECT id, source, type, key, 'done', via, now()
			FROM jsonb_to_recordset(?::jsonb) AS e(id text, source text, type text, key text, via text)
			ORDER BY id ON CONFLICT (id) DO NOTHING RETURNING id, hashtext(key) AS lock
		)
		SELECT id, pg_advisory_xact_lock(?, lock) FROM (SELECT id, lock FROM fresh ORDER BY lock OFFSET 0) f`,
		string(text), keyLocks).Scan(&found).Error
	if err != nil {
		return nil, fmt.Errorf("record events: %w", err)
	}
	fresh := make(map[string]bool, len(found))
	for _, f := range found {
		fresh[f.ID] = true
	}
	return fresh, nil
}

package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

const (
	retryEvery   = 500 * time.Millisecond
	catchUpEvery = 30 * time.Second
	feedAge      = 10 * time.Second // younger events are left to the broker
	deafAfter    = 60 * time.Second
	restartPause = 5 * time.Minute
	retention    = 30 * 24 * time.Hour
)

var (
	received    = promauto.NewCounterVec(prometheus.CounterOpts{Name: "mall_inbox_received_total", Help: "Events handled or recognised as seen, by how they came."}, []string{"type", "via"})
	parkedTotal = promauto.NewCounter(prometheus.CounterOpts{Name: "mall_inbox_parked_total", Help: "Events whose handler failed."})
	parkedNow   = promauto.NewGauge(prometheus.GaugeOpts{Name: "mall_inbox_parked", Help: "Events that wait for another try or a human."})
	repaired    = promauto.NewCounter(prometheus.CounterOpts{Name: "mall_inbox_repaired_total", Help: "Events the broker did not deliver and the feed brought."})
	deaf        = promauto.NewCounter(prometheus.CounterOpts{Name: "mall_inbox_deaf_total", Help: "Times the sidecar was restarted because it delivered nothing."})
	feedGone    = promauto.NewGauge(prometheus.GaugeOpts{Name: "mall_inbox_feed_gone", Help: "1 while a producer's feed no longer holds what this room has not seen: events are missing for good."})
)

// Run retries parked events, compares with the feeds and forgets old rows until ctx ends. Any number of replicas may run it.
func (in *Inbox) Run(ctx context.Context) error {
	retry, catchUp, clean := time.NewTicker(retryEvery), time.NewTicker(catchUpEvery), time.NewTicker(time.Hour)
	defer retry.Stop()
	defer catchUp.Stop()
	defer clean.Stop()
	go in.feedLoop(ctx, catchUp.C)
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-retry.C:
			err = in.retryDue(ctx)
		case <-clean.C:
			err = in.forget(ctx)
		}
		if err != nil && ctx.Err() == nil {
			in.log.Error("inbox", "error", err)
		}
	}
}

// forget removes what was handled long ago. A parked event stays until it is handled or somebody drops it.
func (in *Inbox) forget(ctx context.Context) error {
	return in.db.WithContext(ctx).Exec("DELETE FROM inbox WHERE status = 'done' AND received_at < now() - make_interval(secs => ?)", retention.Seconds()).Error
}

// feedLoop catches up soon after the start, because what was under way when the room ended is missing now, and then at every tick.
func (in *Inbox) feedLoop(ctx context.Context, tick <-chan time.Time) {
	soon := time.After(feedAge)
	for {
		select {
		case <-ctx.Done():
			return
		case <-soon:
		case <-tick:
		}
		in.CatchUp(ctx, feedAge)
	}
}

// retryDue tries every parked event whose time has come. Mostly there is none, and one look at a small index tells.
func (in *Inbox) retryDue(ctx context.Context) error {
	var parked struct{ All, Due int64 }
	err := in.db.WithContext(ctx).Raw("SELECT count(*) AS all, count(*) FILTER (WHERE next_try_at <= now()) AS due FROM inbox WHERE status = 'parked'").Scan(&parked).Error
	if err != nil {
		return err
	}
	parkedNow.Set(float64(parked.All))
	for range parked.Due {
		if found, err := in.retryOne(ctx); err != nil || !found {
			return err
		}
	}
	return nil
}

var errNothing = errors.New("nothing is due")

func (in *Inbox) retryOne(ctx context.Context) (bool, error) {
	var p struct{ ID, Payload string }
	ctx, cancel := context.WithTimeout(ctx, handlerTimeout)
	defer cancel()
	err := postgres.InTx(ctx, in.db, func(ctx context.Context, tx *gorm.DB) error {
		res := tx.Raw(`SELECT id, payload FROM inbox WHERE status = 'parked' AND next_try_at <= now()
			ORDER BY next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED`).Scan(&p)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errNothing
		}
		e, err := unwrap([]byte(p.Payload))
		if err != nil {
			return err
		}
		h, ok := in.handler(e.Type)
		if !ok {
			return fmt.Errorf("nothing handles %s", e.Type)
		}
		if err := h.guarded(ctx, e); err != nil {
			return err
		}
		return tx.Exec("UPDATE inbox SET status = 'done', payload = NULL, handled_at = now(), attempts = attempts + 1 WHERE id = ?", p.ID).Error
	})
	if errors.Is(err, errNothing) {
		return false, nil
	}
	if err == nil {
		return true, nil
	}
	if p.ID == "" {
		return false, err
	}
	// 2 s, 4 s … 5 min between tries
	e := in.db.WithContext(context.WithoutCancel(ctx)).Exec(`UPDATE inbox SET attempts = attempts + 1, reason = ?,
		next_try_at = now() + make_interval(secs => least(300, power(2, least(attempts, 9)))) WHERE id = ? AND status = 'parked'`, reason(err), p.ID).Error
	return true, e
}

// CatchUp compares every producer's feed with the inbox and handles what is missing and older than age. A sidecar that
// delivered nothing while the feed had something is restarted.
func (in *Inbox) CatchUp(ctx context.Context, age time.Duration) (brought int) {
	sources := map[string]bool{}
	for _, h := range in.handlers {
		sources[h.source] = true
	}
	gone := 0.0
	for source := range sources {
		n, err := in.follow(ctx, source, age)
		brought += n
		if problem.CodeOf(err) == "feed_gone" {
			gone = 1
		}
		if err != nil && ctx.Err() == nil {
			in.log.Error("feed not followed", "source", source, "error", err)
		}
	}
	feedGone.Set(gone)
	if brought > 0 {
		repaired.Add(float64(brought))
		in.log.Warn("events were missing and came from the feed", "count", brought)
		in.wakeSidecar(ctx)
	}
	return brought
}

func (in *Inbox) follow(ctx context.Context, source string, age time.Duration) (brought int, err error) {
	defer in.letGo(ctx, source)
	for {
		pos, mine, err := in.cursor(ctx, source)
		if err != nil || !mine {
			return brought, err
		}
		var page outbox.Page
		path := fmt.Sprintf("/events?after=%d&limit=500&min_age_ms=%d", pos, age.Milliseconds())
		if err := in.side.Invoke(ctx, sidecar.Request{App: source, Method: http.MethodGet, Path: path, Out: &page, System: true}); err != nil {
			return brought, err
		}
		if len(page.Events) == 0 {
			return brought, nil
		}
		n, err := in.compare(ctx, page)
		brought += n
		if err != nil {
			return brought, err
		}
		err = in.db.WithContext(ctx).Exec("UPDATE inbox_cursors SET pos = greatest(pos, ?) WHERE source = ? AND owner = ?", page.Next, source, in.owner).Error
		if err != nil || page.Next >= page.Head {
			return brought, err
		}
	}
}

// letGo gives the cursor free at once: a room that was restarted must not wait for the lease of the process it was.
func (in *Inbox) letGo(ctx context.Context, source string) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := in.db.WithContext(end).Exec("UPDATE inbox_cursors SET lease_until = now() WHERE source = ? AND owner = ?", source, in.owner).Error; err != nil {
		in.log.Warn("lease of the feed's cursor not given back", "source", source, "error", err)
	}
}

// cursor leases a producer's cursor, so that one replica of the room follows its feed. A page renews the lease. It is over before
// a room that was killed in the middle of a round looks again for the first time; two that overlap do the same thing once.
func (in *Inbox) cursor(ctx context.Context, source string) (pos int64, mine bool, err error) {
	res := in.db.WithContext(ctx).Raw(`INSERT INTO inbox_cursors AS c (source, owner, lease_until) VALUES (?, ?, now() + make_interval(secs => ?))
		ON CONFLICT (source) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until
		WHERE c.owner = excluded.owner OR c.lease_until < now() RETURNING c.pos`, source, in.owner, feedAge.Seconds()).Scan(&pos)
	return pos, res.RowsAffected == 1, res.Error
}

func (in *Inbox) compare(ctx context.Context, page outbox.Page) (brought int, err error) {
	var events []*delivery
	var eventIDs []string
	for _, item := range page.Events {
		var e outbox.CloudEvent
		if err := json.Unmarshal(item.Event, &e); err != nil {
			return 0, fmt.Errorf("feed position %d: %w", item.Pos, err)
		}
		if _, ok := in.handler(e.Type); ok {
			events = append(events, &delivery{event: e, raw: item.Event, via: "feed", done: make(chan error, 1)})
			eventIDs = append(eventIDs, e.ID)
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	seen, err := in.seen(ctx, eventIDs)
	if err != nil {
		return 0, err
	}
	events = slices.DeleteFunc(events, func(d *delivery) bool { return seen[d.event.ID] })
	for batch := range slices.Chunk(events, most) {
		in.take(ctx, batch)
		for _, d := range batch {
			if err := <-d.done; err != nil {
				return brought, err
			}
			brought++
		}
	}
	return brought, nil
}

// wakeSidecar restarts a sidecar whose subscription went deaf: it delivered nothing for a minute while the feed had events.
func (in *Inbox) wakeSidecar(ctx context.Context) {
	quietSince := in.started
	if last := time.Unix(0, in.lastPush.Load()); last.After(quietSince) {
		quietSince = last
	}
	now := in.now()
	if now.Sub(quietSince) < deafAfter || now.Sub(in.restart) < restartPause {
		return
	}
	in.restart = now
	deaf.Inc()
	in.log.Error("the sidecar delivers nothing while the feed has events: restarting it", "quiet_for", now.Sub(quietSince).Round(time.Second).String())
	if err := in.side.Shutdown(ctx); err != nil {
		in.log.Error("sidecar not restarted", "error", err)
	}
}

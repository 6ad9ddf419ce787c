package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/worker"
)

const (
	retryEvery   = 500 * time.Millisecond // while events are parked
	lookEvery    = 2 * time.Second        // while none are: another replica may park one
	feedAge      = 10 * time.Second       // younger events are not read: the broker probably still delivers them
	leaseFor     = feedAge                // how long a replica may read a feed alone; then another one may
	stalledAfter = 30 * time.Second       // how long a sidecar may deliver nothing while the feed has events
	restartPause = 5 * time.Minute        // between two restarts of the sidecar
	retention    = 30 * 24 * time.Hour
)

// purgeHandled removes rows of events that were handled longer than retention ago: by then the producers' feeds, which
// are kept for 14 days, no longer have them. A parked event stays until it is handled or an operator drops it.
var purgeHandled = postgres.Purge{Table: "inbox", Column: "received_at", Only: "status = 'done'", Age: retention}

var (
	received = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "mall_inbox_received_total",
		Help: "Events handled or recognised as seen, by how they came.",
	}, []string{"type", "via"})
	parkedTotal = promauto.NewCounter(prometheus.CounterOpts{
		Name: "mall_inbox_parked_total",
		Help: "Events whose handler failed.",
	})
	parkedNow = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "mall_inbox_parked",
		Help: "Events that wait for another try or a human.",
	})
	repaired = promauto.NewCounter(prometheus.CounterOpts{
		Name: "mall_inbox_repaired_total",
		Help: "Events the broker did not deliver and the feed brought.",
	})
	stalledRestarts = promauto.NewCounter(prometheus.CounterOpts{
		Name: "mall_inbox_stalled_total",
		Help: "Times the sidecar was restarted because it delivered nothing of a producer.",
	})
)

// Run retries parked events, catches up with the feeds and purges old rows until ctx ends. Any number of replicas may
// run it. It first catches up feedAge after the start, because events that were on their way when the service ended are
// missing now.
func (in *Inbox) Run(ctx context.Context) {
	first := true
	untilFeed := func() time.Duration {
		if first {
			first = false
			return feedAge
		}
		if in.missedLately() {
			return min(feedAge, in.CatchUpEvery())
		}
		return in.CatchUpEvery()
	}
	feed := func(ctx context.Context) error { in.CatchUp(ctx, feedAge); return nil }
	purge := func(ctx context.Context) error { return purgeHandled.Run(ctx, in.db) }
	worker.Run(ctx,
		worker.Loop{Name: "inbox retry", Log: in.log, Every: in.retryPause, Wake: in.parkedOne, Work: in.retryDue},
		worker.Loop{Name: "inbox feed", Log: in.log, Every: untilFeed, Work: feed},
		worker.Loop{Name: "inbox purge", Log: in.log, Every: worker.Pause(time.Hour), Work: purge})
}

func (in *Inbox) retryPause() time.Duration {
	if in.anyParked {
		return retryEvery
	}
	return lookEvery
}

// retryDue tries every parked event whose time has come. Usually there is none, and one query on a small index shows
// it.
func (in *Inbox) retryDue(ctx context.Context) error {
	in.awake.note(in.now())
	var parked struct{ All, Due int64 }
	err := in.db.WithContext(ctx).Raw(`SELECT count(*) AS all, count(*) FILTER (WHERE next_try_at <= now()) AS due
		FROM inbox WHERE status = 'parked'`).Scan(&parked).Error
	if err != nil {
		return err
	}
	parkedNow.Set(float64(parked.All))
	in.anyParked = parked.All > 0
	for range parked.Due {
		if found, err := in.retryOne(ctx); err != nil || !found {
			return err
		}
	}
	return nil
}

var errNothingDue = errors.New("nothing is due")

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
			return errNothingDue
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
		return tx.Exec(`UPDATE inbox SET status = 'done', payload = NULL, handled_at = now(), attempts = attempts + 1
			WHERE id = ?`, p.ID).Error
	})
	if errors.Is(err, errNothingDue) {
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
		next_try_at = now() + make_interval(secs => least(300, power(2, least(attempts, 9))))
		WHERE id = ? AND status = 'parked'`, reason(err), p.ID).Error
	return true, e
}

// notePossibleStall restarts the sidecar if its subscription to a producer's events has stalled: in two rounds the feed
// had events that should have come, none came in between, and none for stalledAfter. A single lost event is no stall,
// and neither is silence while this process stood still.
func (in *Inbox) notePossibleStall(ctx context.Context, source string) {
	now, quietSince := in.now(), in.awake.start()
	if last, ok := in.pushed.Load(source); ok && last.(time.Time).After(quietSince) {
		quietSince = last.(time.Time)
	}
	if first, again := in.missed[source]; !again || first.Before(quietSince) {
		in.missed[source] = now // rounds follow at once now
		return
	}
	if now.Sub(quietSince) < stalledAfter || now.Sub(in.lastRestart) < restartPause {
		return
	}
	in.lastRestart = now
	clear(in.missed)
	stalledRestarts.Inc()
	in.log.Error("the sidecar delivers nothing of a producer whose feed has events: restarting it", "source", source,
		"quiet_for", now.Sub(quietSince).Round(time.Second).String())
	if err := in.dapr.Shutdown(ctx); err != nil {
		in.log.Error("sidecar not restarted", "error", err)
	}
}

// missedLately reports whether the feed has had events that the broker had not delivered within the last minute.
func (in *Inbox) missedLately() bool {
	for _, first := range in.missed {
		if in.now().Sub(first) < time.Minute {
			return true
		}
	}
	return false
}

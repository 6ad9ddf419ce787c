package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/sidecar"
)

const (
	poll        = 100 * time.Millisecond // finds what a crashed replica left when nothing wakes us
	together    = 5 * time.Millisecond
	numberEvery = 500 * time.Millisecond
	batch       = 200
	claimFor    = 15 * time.Second // longer than a batch may take; a publisher that was killed delays its batch this long
	retention   = 14 * 24 * time.Hour
	sequencerID = 0x6d616c6c02
)

var (
	published = promauto.NewCounter(prometheus.CounterOpts{Name: "mall_outbox_published_total", Help: "Events the broker took."})
	failed    = promauto.NewCounter(prometheus.CounterOpts{Name: "mall_outbox_publish_failures_total", Help: "Events the broker did not take, tried again later."})
	lag       = promauto.NewHistogram(prometheus.HistogramOpts{Name: "mall_outbox_publish_lag_seconds", Help: "Time from writing an event to its acceptance by the broker.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300}})
)

// Broker takes events: sidecar.Client.
type Broker interface {
	Publish(ctx context.Context, topic string, entries []sidecar.Entry) (refused map[string]bool, err error)
}

// Run publishes and numbers events until ctx ends. Any number of replicas may run it. Publishing is woken by each commit; numbers are
// only for the feed, which is asked for events that are seconds old, so they can wait and come in larger batches.
func (o *Outbox) Run(ctx context.Context) error {
	clean, numbers, fallback := time.NewTicker(time.Hour), time.NewTicker(numberEvery), time.NewTicker(poll)
	defer clean.Stop()
	defer numbers.Stop()
	defer fallback.Stop()
	var pause time.Time // after a failure the broker gets a moment
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-clean.C:
			err = o.purge(ctx)
		case <-numbers.C:
			err = o.number(ctx)
		case <-o.wake:
			err = o.deliver(ctx, &pause)
		case <-fallback.C:
			var left bool
			if left, err = o.left(ctx); left {
				err = o.deliver(ctx, &pause)
			}
		}
		if err != nil && ctx.Err() == nil {
			o.log.Error("outbox", "error", err)
		}
	}
}

// left says whether events wait that nobody has claimed: those of a replica that died, or whose broker was away.
func (o *Outbox) left(ctx context.Context) (bool, error) {
	var left bool
	err := o.db.WithContext(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM outbox WHERE published_at IS NULL AND (claimed_until IS NULL OR claimed_until < now()))`).Scan(&left).Error
	return left, err
}

// deliver publishes all that waits, unless the broker has just failed. Commits that come close together share a batch.
func (o *Outbox) deliver(ctx context.Context, pause *time.Time) error {
	if time.Now().Before(*pause) {
		return nil
	}
	gather := time.NewTimer(together)
	defer gather.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-gather.C:
	}
	if err := o.drain(ctx); err != nil && ctx.Err() == nil {
		*pause = time.Now().Add(time.Second)
		o.log.Warn("events not published, trying again", "error", err)
	}
	return nil
}

func (o *Outbox) drain(ctx context.Context) error {
	for {
		n, err := o.publish(ctx)
		if err != nil || n < batch {
			return err
		}
	}
}

// number gives committed events their place in the feed. Sequences are drawn before the commit, so that reading
// "seq > after" would skip rows that commit late; numbers given here, one replica at a time, only ever grow.
func (o *Outbox) number(ctx context.Context) error {
	for {
		var waiting bool
		db := o.db.WithContext(ctx)
		if err := db.Raw("SELECT EXISTS (SELECT 1 FROM outbox WHERE pos IS NULL)").Scan(&waiting).Error; err != nil || !waiting {
			return err
		}
		err := postgres.InTx(ctx, o.db, func(_ context.Context, tx *gorm.DB) error {
			if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", sequencerID).Error; err != nil {
				return err
			}
			return tx.Exec(`WITH waiting AS (
					SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM (SELECT seq FROM outbox WHERE pos IS NULL ORDER BY seq LIMIT 1000) w
				), head AS (
					UPDATE outbox_head SET pos = pos + (SELECT count(*) FROM waiting) RETURNING pos
				)
				UPDATE outbox o SET pos = head.pos - (SELECT count(*) FROM waiting) + w.n FROM waiting w, head WHERE o.seq = w.seq`).Error
		})
		if err != nil {
			return err
		}
	}
}

type row struct {
	Seq       int64
	ID        string
	Topic     string
	Key       string
	Payload   string
	CreatedAt time.Time
}

// publish claims a batch, hands it to the broker and marks what was taken. A crash before the mark publishes
// again after the claim: consumers drop what they have seen.
func (o *Outbox) publish(ctx context.Context) (int, error) {
	var rows []row
	err := o.db.WithContext(ctx).Raw(`UPDATE outbox SET claimed_until = now() + make_interval(secs => ?), attempts = attempts + 1
		WHERE seq IN (SELECT seq FROM outbox WHERE published_at IS NULL AND (claimed_until IS NULL OR claimed_until < now())
			ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED)
		RETURNING seq, id, topic, key, payload, created_at`, claimFor.Seconds(), batch).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.Seq, b.Seq) }) // RETURNING promises no order
	byTopic := map[string][]row{}
	for _, r := range rows {
		byTopic[r.Topic] = append(byTopic[r.Topic], r)
	}
	var taken, back []int64
	var problems error
	for topic, rs := range byTopic {
		refused, err := o.send(ctx, topic, rs)
		problems = errors.Join(problems, err)
		for _, r := range rs {
			if err != nil || refused[r.ID] {
				back = append(back, r.Seq)
				continue
			}
			taken = append(taken, r.Seq)
			lag.Observe(time.Since(r.CreatedAt).Seconds())
		}
	}
	published.Add(float64(len(taken)))
	failed.Add(float64(len(back)))
	db := o.db.WithContext(context.WithoutCancel(ctx)) // what the broker has taken is marked even while we stop
	if len(taken) > 0 {
		if err := db.Exec("UPDATE outbox SET published_at = now() WHERE seq IN ?", taken).Error; err != nil {
			return len(rows), fmt.Errorf("mark published: %w", errors.Join(err, problems))
		}
	}
	if len(back) > 0 {
		err := db.Exec("UPDATE outbox SET claimed_until = now() + make_interval(secs => least(30, power(2, least(attempts, 5)))) WHERE seq IN ?", back).Error
		return len(rows), errors.Join(problems, err, fmt.Errorf("%d of %d events not taken", len(back), len(rows)))
	}
	return len(rows), nil
}

func (o *Outbox) send(ctx context.Context, topic string, rs []row) (map[string]bool, error) {
	entries := make([]sidecar.Entry, len(rs))
	for i, r := range rs {
		entries[i] = sidecar.Entry{ID: r.ID, Key: r.Key, Data: []byte(r.Payload)}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return o.broker.Publish(ctx, topic, entries)
}

// purge forgets events that are published and older than the retention, and remembers how far the feed is gone.
func (o *Outbox) purge(ctx context.Context) error {
	return postgres.InTx(ctx, o.db, func(_ context.Context, tx *gorm.DB) error {
		return tx.Exec(`WITH gone AS (
				DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE published_at IS NOT NULL AND pos IS NOT NULL
					AND created_at < now() - make_interval(secs => ?) ORDER BY seq LIMIT 10000) RETURNING pos)
			UPDATE outbox_head SET purged_through = greatest(purged_through, coalesce((SELECT max(pos) FROM gone), 0))`, retention.Seconds()).Error
	})
}

package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/worker"
)

const (
	poll           = 500 * time.Millisecond // finds events of a crashed replica when nothing wakes the relay
	publishRetry   = time.Second            // the pause after a failure of the broker
	coalesceWindow = 15 * time.Millisecond  // commits within this time share a batch
	numberAge      = time.Second            // younger events get their number when they are published
	batch          = 200
	sendFor        = 10 * time.Second
	wholeFor       = 20 * time.Second // locking, sending and marking
	retention      = 14 * 24 * time.Hour
	purgeBatch     = 10_000
)

var (
	published = promauto.NewCounter(prometheus.CounterOpts{
		Name: "mall_outbox_published_total", Help: "Events the broker took.",
	})
	failed = promauto.NewCounter(prometheus.CounterOpts{
		Name: "mall_outbox_publish_failures_total",
		Help: "Events the broker did not take, tried again later.",
	})
	lag = promauto.NewHistogram(prometheus.HistogramOpts{
		Name:    "mall_outbox_publish_lag_seconds",
		Help:    "Time from writing an event to its acceptance by the broker.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300},
	})
)

// Broker takes events: sidecar.Client.
type Broker interface {
	Publish(ctx context.Context, topic string, entries []sidecar.Entry) (refused map[string]bool, err error)
}

// Run publishes, numbers and purges events until ctx ends. Any number of replicas may run it. Each commit wakes the
// publisher, and what the broker accepted gets its position in the same statement. Events that it did not accept are
// numbered separately, because the feed must have them. Purging runs separately, because events must not wait for it.
func (o *Outbox) Run(ctx context.Context) {
	worker.Run(ctx,
		worker.Loop{Name: "outbox publish", Log: o.log, Wake: o.wake, Retry: publishRetry, Work: o.deliver},
		worker.Loop{Name: "outbox poll", Log: o.log, Every: worker.Pause(poll), Work: o.poll},
		worker.Loop{Name: "outbox purge", Log: o.log, Every: worker.Pause(time.Hour), Work: o.purge})
}

// poll numbers old events, and wakes the publisher for events of a crashed replica or an unreachable broker.
func (o *Outbox) poll(ctx context.Context) error {
	err := o.number(ctx, numberAge)
	left, errLeft := o.left(ctx)
	if left {
		o.nudge()
	}
	return errors.Join(err, errLeft)
}

// left reports whether events wait for a publisher.
func (o *Outbox) left(ctx context.Context) (bool, error) {
	var left bool
	err := o.db.WithContext(ctx).Raw("SELECT EXISTS (SELECT 1 FROM outbox WHERE " + due + ")").Scan(&left).Error
	return left, err
}

// due: claimed_until is when an event that the broker did not accept is tried again.
const due = "published_at IS NULL AND (claimed_until IS NULL OR claimed_until < now())"

// deliver publishes all that waits.
func (o *Outbox) deliver(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(coalesceWindow):
	}
	return worker.Drain(func(ctx context.Context) (more bool, err error) {
		n, err := o.publish(ctx)
		return n == batch, err
	})(ctx)
}

// number gives committed events older than age their position in the feed. Sequences are drawn before the commit, so
// reading "seq > after" would skip rows that commit late. Whoever numbers locks the row of outbox_head until its
// commit, so positions only grow, and a reader that sees one has seen all before it.
func (o *Outbox) number(ctx context.Context, age time.Duration) error {
	for {
		res := o.db.WithContext(ctx).Exec(`WITH waiting AS MATERIALIZED (
				SELECT seq FROM outbox WHERE pos IS NULL AND created_at <= clock_timestamp() - make_interval(secs => ?)
				ORDER BY seq LIMIT 1000 FOR UPDATE SKIP LOCKED
			), placed AS (
				SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM waiting
			), head AS (
				UPDATE outbox_head SET pos = pos + (SELECT count(*) FROM waiting) WHERE EXISTS (SELECT 1 FROM waiting) RETURNING pos
			)
			UPDATE outbox o SET pos = head.pos - (SELECT count(*) FROM waiting) + p.n FROM placed p, head
			WHERE o.seq = p.seq`, age.Seconds())
		if res.Error != nil {
			return fmt.Errorf("number events: %w", res.Error)
		}
		if res.RowsAffected < 1000 {
			return nil
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
	Placed    bool // it has its number
}

// publish locks a batch, publishes it, marks and numbers what was accepted, and commits. Other replicas skip locked
// events. A crash releases them at once, and what the broker had accepted is published again: consumers drop
// repetitions. The transaction is open while the broker is called; if the process stalls there, the server ends it
// (postgres.Defaults).
func (o *Outbox) publish(ctx context.Context) (int, error) {
	var rows []row
	var problems error
	// What the broker has accepted is marked even while the process stops.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), wholeFor)
	defer cancel()
	err := o.db.WithContext(whole).Transaction(func(tx *gorm.DB) error {
		err := tx.Raw(`SELECT seq, id, topic, key, payload, created_at, pos IS NOT NULL AS placed FROM outbox WHERE `+due+`
			ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED`, batch).Scan(&rows).Error
		if err != nil || len(rows) == 0 {
			return err
		}
		byTopic := map[string][]row{}
		for _, r := range rows {
			byTopic[r.Topic] = append(byTopic[r.Topic], r)
		}
		var taken, back []row
		for topic, rs := range byTopic {
			refused, err := o.send(ctx, topic, rs)
			problems = errors.Join(problems, err)
			for _, r := range rs {
				if err != nil || refused[r.ID] {
					back = append(back, r)
					continue
				}
				taken = append(taken, r)
				lag.Observe(time.Since(r.CreatedAt).Seconds())
			}
		}
		published.Add(float64(len(taken)))
		failed.Add(float64(len(back)))
		if err := mark(tx, taken); err != nil {
			return fmt.Errorf("mark published: %w", err)
		}
		if len(back) == 0 {
			return nil
		}
		problems = errors.Join(problems, fmt.Errorf("%d of %d events not taken", len(back), len(rows)))
		return tx.Exec(`UPDATE outbox SET attempts = attempts + 1,
			claimed_until = now() + make_interval(secs => least(30, power(2, least(attempts + 1, 5))))
			WHERE seq = ANY(?::bigint[])`, array(back)).Error
	})
	return len(rows), errors.Join(err, problems)
}

// mark records what the broker accepted. Positions follow the order of writing within the batch.
func mark(tx *gorm.DB, taken []row) error {
	var placed, unplaced []row
	for _, r := range taken {
		if r.Placed {
			placed = append(placed, r)
		} else {
			unplaced = append(unplaced, r)
		}
	}
	if len(placed) > 0 {
		err := tx.Exec("UPDATE outbox SET published_at = now(), attempts = attempts + 1 WHERE seq = ANY(?::bigint[])",
			array(placed)).Error
		if err != nil {
			return err
		}
	}
	if len(unplaced) == 0 {
		return nil
	}
	return tx.Exec(`WITH head AS (UPDATE outbox_head SET pos = pos + ? RETURNING pos - ? AS before)
		UPDATE outbox o SET published_at = now(), attempts = attempts + 1, pos = head.before + p.n
		FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM unnest(?::bigint[]) AS seq) p, head WHERE o.seq = p.seq`,
		len(unplaced), len(unplaced), array(unplaced)).Error
}

func array(rows []row) string {
	seqs := make([]int64, len(rows))
	for i, r := range rows {
		seqs[i] = r.Seq
	}
	return postgres.Array(seqs)
}

func (o *Outbox) send(ctx context.Context, topic string, rs []row) (map[string]bool, error) {
	entries := make([]sidecar.Entry, len(rs))
	for i, r := range rs {
		entries[i] = sidecar.Entry{ID: r.ID, Key: r.Key, Data: []byte(r.Payload)}
	}
	ctx, cancel := context.WithTimeout(ctx, sendFor)
	defer cancel()
	return o.broker.Publish(ctx, topic, entries)
}

// purge takes the retention in seconds, the event up to which it has come, and how many it looks at.
const purge = `WITH piece AS MATERIALIZED (
		SELECT seq, id, pos, published_at IS NOT NULL AND pos IS NOT NULL AS told,
			created_at < now() - make_interval(secs => ?) AS old
		FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?
	), last AS (
		SELECT pos, id FROM piece WHERE told AND old ORDER BY pos DESC LIMIT 1
	), head AS (
		UPDATE outbox_head h SET purged_through = last.pos, purged_id = last.id FROM last WHERE h.purged_through < last.pos
	), gone AS (
		DELETE FROM outbox WHERE seq IN (SELECT seq FROM piece WHERE told AND old)
	)
	SELECT coalesce(max(seq), 0) AS last, coalesce(bool_or(old), false) AS old FROM piece`

// purge removes events that are published and older than the retention, and records how far the feed is gone. It goes
// through them in the order they were written, in pieces that one transaction should remove, and stops where all are
// young.
func (o *Outbox) purge(ctx context.Context) error {
	var at struct {
		Last int64 // the event up to which it has come
		Old  bool  // whether there may be old ones behind it
	}
	for {
		err := postgres.InTx(ctx, o.db, func(_ context.Context, tx *gorm.DB) error {
			return tx.Raw(purge, retention.Seconds(), at.Last, purgeBatch).Scan(&at).Error
		})
		if err != nil || !at.Old {
			return err
		}
	}
}

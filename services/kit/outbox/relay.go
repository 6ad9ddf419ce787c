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
	pollEvery      = 2 * time.Second       // finds events of a crashed replica when nothing wakes the relay
	publishRetry   = time.Second           // the pause after a failure of the broker
	coalesceWindow = 15 * time.Millisecond // commits within this time share a batch
	positionAge    = time.Second           // usually publishing gives an event its position; older events get it without
	batch          = 200                   // events that one transaction publishes
	positionBatch  = 1000                  // events that one statement gives positions without publishing them
	sendTimeout    = 10 * time.Second      // for one topic's events
	publishTimeout = 20 * time.Second      // for locking, sending and marking a batch
	retention      = 14 * 24 * time.Hour   // how long published events are kept for the feed
	purgeBatch     = 10_000                // events that one statement of the purge examines
)

var (
	published = promauto.NewCounter(prometheus.CounterOpts{
		Name: "mall_outbox_published_total", Help: "Events the broker took.",
	})
	publishFailures = promauto.NewCounter(prometheus.CounterOpts{
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

// Run publishes events, gives them their positions in the feed, and purges old ones until ctx ends. Any number of
// replicas may run it. Each commit wakes the publisher. It marks what the broker accepted and gives it positions by one
// statement. Events that the broker does not accept get their positions from pollOnce, because the feed must have them.
// Purging has a loop of its own, because events must not wait for it.
func (o *Outbox) Run(ctx context.Context) {
	worker.Run(ctx,
		worker.Loop{Name: "outbox publish", Log: o.log, Wake: o.wake, Retry: publishRetry, Work: o.publishAll},
		worker.Loop{Name: "outbox poll", Log: o.log, Every: worker.Pause(pollEvery), Work: o.pollOnce},
		worker.Loop{Name: "outbox purge", Log: o.log, Every: worker.Pause(time.Hour), Work: o.purge})
}

// pollOnce gives events older than positionAge their positions. It wakes the publisher if events wait that no commit
// will wake it for: those of a crashed replica, or of a time when the broker was unreachable.
func (o *Outbox) pollOnce(ctx context.Context) error {
	err := o.assignPositions(ctx, positionAge)
	waiting, errWaiting := o.hasUnpublished(ctx)
	if waiting {
		o.wakeRelay()
	}
	return errors.Join(err, errWaiting)
}

// hasUnpublished reports whether events wait for a publisher.
func (o *Outbox) hasUnpublished(ctx context.Context) (bool, error) {
	var waiting bool
	err := o.db.WithContext(ctx).Raw("SELECT EXISTS (SELECT 1 FROM outbox WHERE " + publishable + ")").Scan(&waiting).Error
	return waiting, err
}

// publishable is the condition for events that can be sent now. claimed_until is when an event that the broker did not
// accept is tried again.
const publishable = "published_at IS NULL AND (claimed_until IS NULL OR claimed_until < now())"

// publishAll publishes waiting events, batch by batch, until none is left.
func (o *Outbox) publishAll(ctx context.Context) error {
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

// assignPositions gives committed events older than age their position in the feed. The feed cannot use seq instead:
// PostgreSQL draws it before the commit, so a reader of "seq > after" would skip events that commit late. A transaction
// that gives positions locks the row of outbox_head until its commit, so positions appear in order: a reader that sees
// one has seen all before it.
func (o *Outbox) assignPositions(ctx context.Context, age time.Duration) error {
	for {
		res := o.db.WithContext(ctx).Exec(`WITH waiting AS MATERIALIZED (
				SELECT seq FROM outbox WHERE pos IS NULL AND created_at <= clock_timestamp() - make_interval(secs => ?)
				ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED
			), numbered AS (
				SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM waiting
			), head AS (
				UPDATE outbox_head SET pos = pos + (SELECT count(*) FROM waiting) WHERE EXISTS (SELECT 1 FROM waiting) RETURNING pos
			)
			UPDATE outbox o SET pos = head.pos - (SELECT count(*) FROM waiting) + n.n FROM numbered n, head
			WHERE o.seq = n.seq`, age.Seconds(), positionBatch)
		if res.Error != nil {
			return fmt.Errorf("give events their positions: %w", res.Error)
		}
		if res.RowsAffected < positionBatch {
			return nil
		}
	}
}

type row struct {
	Seq         int64
	ID          string
	Topic       string
	Key         string
	Payload     string
	CreatedAt   time.Time
	HasPosition bool
}

// publish locks a batch, publishes it, marks what was accepted and gives it positions, and commits. Other replicas skip
// locked events. If the process dies, its locks end at once and what the broker had accepted is published again:
// consumers drop repetitions. The transaction is open while the broker is called (ADR 8); if the process stalls there,
// the database server ends the transaction (postgres.Defaults).
func (o *Outbox) publish(ctx context.Context) (int, error) {
	var rows []row
	var failures error
	// Not ctx: what the broker has accepted must be marked even if the process is told to stop meanwhile.
	txCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	err := o.db.WithContext(txCtx).Transaction(func(tx *gorm.DB) error {
		// A replica from before ADR 14 writes topics with a dot.
		err := tx.Raw(`SELECT seq, id, translate(topic, '.', '-') AS topic, key, payload, created_at,
				pos IS NOT NULL AS has_position
			FROM outbox WHERE `+publishable+`
			ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED`, batch).Scan(&rows).Error
		if err != nil || len(rows) == 0 {
			return err
		}
		byTopic := map[string][]row{}
		for _, r := range rows {
			byTopic[r.Topic] = append(byTopic[r.Topic], r)
		}
		var accepted, refusedRows []row
		for topic, rs := range byTopic {
			refused, err := o.send(ctx, topic, rs)
			failures = errors.Join(failures, err)
			for _, r := range rs {
				if err != nil || refused[r.ID] {
					refusedRows = append(refusedRows, r)
					continue
				}
				accepted = append(accepted, r)
				lag.Observe(time.Since(r.CreatedAt).Seconds())
			}
		}
		published.Add(float64(len(accepted)))
		publishFailures.Add(float64(len(refusedRows)))
		if err := markPublished(tx, accepted); err != nil {
			return fmt.Errorf("mark published: %w", err)
		}
		if len(refusedRows) == 0 {
			return nil
		}
		failures = errors.Join(failures, fmt.Errorf("the broker did not accept %d of %d events", len(refusedRows), len(rows)))
		return tx.Exec(`UPDATE outbox SET attempts = attempts + 1,
			claimed_until = now() + make_interval(secs => least(30, power(2, least(attempts + 1, 5))))
			WHERE seq = ANY(?::bigint[])`, seqArray(refusedRows)).Error
	})
	return len(rows), errors.Join(err, failures)
}

// markPublished records what the broker accepted. Positions follow the order of writing within the batch.
func markPublished(tx *gorm.DB, accepted []row) error {
	var withPosition, withoutPosition []row
	for _, r := range accepted {
		if r.HasPosition {
			withPosition = append(withPosition, r)
		} else {
			withoutPosition = append(withoutPosition, r)
		}
	}
	if len(withPosition) > 0 {
		err := tx.Exec("UPDATE outbox SET published_at = now(), attempts = attempts + 1 WHERE seq = ANY(?::bigint[])",
			seqArray(withPosition)).Error
		if err != nil {
			return err
		}
	}
	if len(withoutPosition) == 0 {
		return nil
	}
	return tx.Exec(`WITH head AS (UPDATE outbox_head SET pos = pos + ? RETURNING pos - ? AS before)
		UPDATE outbox o SET published_at = now(), attempts = attempts + 1, pos = head.before + p.n
		FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM unnest(?::bigint[]) AS seq) p, head WHERE o.seq = p.seq`,
		len(withoutPosition), len(withoutPosition), seqArray(withoutPosition)).Error
}

func seqArray(rows []row) string {
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
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return o.broker.Publish(ctx, topic, entries)
}

// purgePiece removes what is old among the next events. Its arguments are the retention in seconds, the seq of the last
// event that was examined, and how many to examine. It returns the last one examined now, and whether any was old.
const purgePiece = `WITH piece AS MATERIALIZED (
		SELECT seq, id, pos, published_at IS NOT NULL AND pos IS NOT NULL AS published,
			created_at < now() - make_interval(secs => ?) AS old
		FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?
	), last AS (
		SELECT pos, id FROM piece WHERE published AND old ORDER BY pos DESC LIMIT 1
	), head AS (
		UPDATE outbox_head h SET purged_through = last.pos, purged_id = last.id FROM last WHERE h.purged_through < last.pos
	), removed AS (
		DELETE FROM outbox WHERE seq IN (SELECT seq FROM piece WHERE published AND old)
	)
	SELECT coalesce(max(seq), 0) AS last, coalesce(bool_or(old), false) AS old FROM piece`

// purge removes published events that are older than the retention, and records the last removed position
// (outbox_head.purged_through): the feed begins after it. It examines events in the order they were written, a piece
// per transaction, and stops at the first piece without an old event.
func (o *Outbox) purge(ctx context.Context) error {
	var at struct {
		Last int64 // the seq of the last event that was examined
		Old  bool  // there may be more old events
	}
	for {
		err := postgres.InTx(ctx, o.db, func(_ context.Context, tx *gorm.DB) error {
			return tx.Raw(purgePiece, retention.Seconds(), at.Last, purgeBatch).Scan(&at).Error
		})
		if err != nil || !at.Old {
			return err
		}
	}
}

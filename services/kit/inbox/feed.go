package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

var (
	feedGone = promauto.NewGaugeVec(prometheus.GaugeOpts{Name: "mall_inbox_feed_gone",
		Help: "1 once a producer's feed no longer held what this service had not seen, until an operator has acted: events " +
			"are missing."}, []string{"source"})
	feedForked = promauto.NewCounterVec(prometheus.CounterOpts{Name: "mall_inbox_feed_forked_total",
		Help: "Times a producer's feed had another history than it had: its database was restored or lost commits. It was " +
			"read again."}, []string{"source"})
	feedFailures = promauto.NewCounterVec(prometheus.CounterOpts{Name: "mall_inbox_feed_failures_total",
		Help: "Rounds in which a producer's feed could not be followed."}, []string{"source"})
	feedRead = promauto.NewGaugeVec(prometheus.GaugeOpts{Name: "mall_inbox_feed_read_timestamp_seconds",
		Help: "When a producer's feed was last read to its end, by any replica."}, []string{"source"})
)

// CatchUp reads every producer's feed from where it was last read, and handles the events older than age that the inbox
// does not have. It returns their number. If there are some in two rounds, and the broker delivers nothing of that
// producer, it has the sidecar restarted.
func (in *Inbox) CatchUp(ctx context.Context, age time.Duration) (handled int) {
	types := map[string][]string{}
	for _, h := range in.handlers {
		types[h.source] = append(types[h.source], h.eventType)
	}
	for source := range types {
		f := feed{source, types[source]}
		n, backlog, err := in.readFeed(ctx, f, age)
		handled += n
		if n > 0 && !backlog {
			in.notePossibleStall(ctx, source)
		}
		in.updateMetrics(ctx, f, err)
	}
	if handled > 0 {
		repaired.Add(float64(handled))
		in.log.Warn("events were missing and came from the feed", "count", handled)
	}
	return handled
}

// feed is one producer's feed and the types read from it.
type feed struct {
	source string
	types  []string
}

// position is how far the events of one type were read. All types of a producer are read together, from the earliest of
// their positions.
type position struct {
	Pos     *int64 // nil: from the feed's start
	EventID string
}

// readFeed reads a feed to its end. backlog means that it was read from its start: then missing events are no sign that
// the broker does not deliver.
func (in *Inbox) readFeed(ctx context.Context, f feed, age time.Duration) (handled int, backlog bool, err error) {
	defer in.releaseLease(ctx, f)
	for {
		at, mine, err := in.lease(ctx, f)
		if err != nil || !mine {
			return handled, backlog, err
		}
		backlog = backlog || at.Pos == nil
		page, err := in.readPage(ctx, f.source, at, age)
		if code := problem.CodeOf(err); at.Pos != nil && (code == "feed_forked" || code == "feed_gone") {
			if err := in.rewind(ctx, f, at, code == "feed_gone"); err != nil {
				return handled, backlog, err
			}
			continue
		}
		if err != nil {
			return handled, backlog, err
		}
		n, err := in.handleMissing(ctx, page)
		handled += n
		if err != nil {
			return handled, backlog, err
		}
		if err := in.advance(ctx, f, page); err != nil || atEnd(page) {
			return handled, backlog, err
		}
	}
}

// atEnd means that there is no more to read now.
func atEnd(page outbox.Page) bool { return len(page.Events) == 0 || page.Next >= page.Head }

// readPage asks the producer for the events after a position.
func (in *Inbox) readPage(ctx context.Context, source string, at position, age time.Duration) (page outbox.Page,
	err error) {
	q := url.Values{"limit": {"500"}, "min_age_ms": {fmt.Sprint(age.Milliseconds())}}
	if at.Pos != nil {
		q.Set("after", fmt.Sprint(*at.Pos))
	}
	if at.EventID != "" {
		q.Set("after_id", at.EventID)
	}
	err = in.dapr.Invoke(ctx, sidecar.Request{App: source, Method: http.MethodGet, Path: "/events?" + q.Encode(),
		Out: &page, System: true})
	return page, err
}

// lease leases the positions of a producer's types, so that only one replica of the service reads its feed, and returns
// the earliest position; mine is false if another replica has the lease. Each page renews it. Two readers that overlap
// cause only double work, because the inbox handles each event once. The positions of types that only a newer version
// of the service handles stay where they are.
func (in *Inbox) lease(ctx context.Context, f feed) (at position, mine bool, err error) {
	res := in.db.WithContext(ctx).Raw(`WITH leased AS (
			INSERT INTO inbox_positions AS p (source, type, owner, lease_until)
			SELECT ?, t.type, ?, now() + make_interval(secs => ?) FROM unnest(string_to_array(?, ' ')) AS t(type) ORDER BY t.type
			ON CONFLICT (source, type) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until
			WHERE p.owner = excluded.owner OR p.lease_until < now() RETURNING p.pos, p.event_id
		)
		SELECT pos, event_id FROM leased ORDER BY pos NULLS FIRST LIMIT 1`,
		f.source, in.owner, leaseFor.Seconds(), strings.Join(f.types, " ")).Scan(&at)
	return at, res.RowsAffected == 1, res.Error
}

// advance moves the positions to the end of a page that was handled. A type whose position is later stays there.
func (in *Inbox) advance(ctx context.Context, f feed, page outbox.Page) error {
	id := ""
	if n := len(page.Events); n > 0 {
		var last struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(page.Events[n-1].Event, &last); err != nil {
			return fmt.Errorf("feed position %d: %w", page.Next, err)
		}
		id = last.ID
	}
	return in.db.WithContext(ctx).Exec(`UPDATE inbox_positions SET pos = greatest(pos, @next),
		event_id = CASE WHEN pos >= @next THEN event_id ELSE @id END, read_at = CASE WHEN @end THEN now() ELSE read_at END
		WHERE source = @source AND owner = @owner`,
		map[string]any{"next": page.Next, "id": id, "end": atEnd(page), "source": f.source, "owner": in.owner}).Error
}

// rewind sets the positions back to the start of the feed; events that the inbox has are recognised by their ids. It is
// needed if the feed has another history than before (gone is false), or if retention has removed events that were not
// read (gone is true). The latter is recorded until an operator acknowledges it.
func (in *Inbox) rewind(ctx context.Context, f feed, from position, gone bool) error {
	if gone {
		in.log.Error("the feed no longer holds what was not read: events are missing for good", "source", f.source,
			"position", *from.Pos)
	} else {
		in.log.Error("the feed has another history than it had: reading it again", "source", f.source, "position", *from.Pos,
			"event", from.EventID)
		feedForked.WithLabelValues(f.source).Inc()
	}
	return in.db.WithContext(ctx).Exec(`UPDATE inbox_positions SET pos = NULL, event_id = '',
		gone_at = CASE WHEN @gone THEN now() ELSE gone_at END, gone_pos = CASE WHEN @gone THEN pos ELSE gone_pos END
		WHERE source = @source AND owner = @owner`, map[string]any{"gone": gone, "source": f.source, "owner": in.owner}).Error
}

// releaseLease ends the lease at once, so that a restarted service need not wait for the lease of its former process.
func (in *Inbox) releaseLease(ctx context.Context, f feed) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err := in.db.WithContext(end).Exec("UPDATE inbox_positions SET lease_until = now() WHERE source = ? AND owner = ?",
		f.source, in.owner).Error
	if err != nil {
		in.log.Warn("lease of the feed's positions not given back", "source", f.source, "error", err)
	}
}

// ReadAt returns when a producer's feed was last read to its end, for all handled types; the zero time if never. At
// that time all events older than feedAge were handled or parked.
func (in *Inbox) ReadAt(ctx context.Context, source string) (time.Time, error) {
	var types []string
	for _, h := range in.handlers {
		if h.source == source {
			types = append(types, h.eventType)
		}
	}
	var end struct{ At *time.Time }
	err := in.db.WithContext(ctx).Raw(`SELECT CASE WHEN count(read_at) = ? THEN min(read_at) END AS at FROM inbox_positions
		WHERE source = ? AND type = ANY(string_to_array(?, ' '))`, len(types), source,
		strings.Join(types, " ")).Scan(&end).Error
	if err != nil || end.At == nil {
		return time.Time{}, err
	}
	return *end.At, nil
}

// updateMetrics updates the metrics of a feed after a round of any replica.
func (in *Inbox) updateMetrics(ctx context.Context, f feed, err error) {
	if err != nil && ctx.Err() == nil {
		in.log.Error("the feed could not be read", "source", f.source, "error", err)
		feedFailures.WithLabelValues(f.source).Inc()
	}
	// While the database is unreachable the gauges stay, and the failures above grow.
	var gone float64
	if err := in.db.WithContext(ctx).Raw("SELECT count(gone_at) FROM inbox_positions WHERE source = ?",
		f.source).Scan(&gone).Error; err == nil {
		feedGone.WithLabelValues(f.source).Set(min(gone, 1))
	}
	if at, err := in.ReadAt(ctx, f.source); err == nil && !at.IsZero() {
		feedRead.WithLabelValues(f.source).Set(float64(at.Unix()))
	}
}

// handleMissing handles the events of a page that the inbox does not have, and returns their number.
func (in *Inbox) handleMissing(ctx context.Context, page outbox.Page) (handled int, err error) {
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
	for batch := range slices.Chunk(events, maxBatch) {
		in.handleBatch(ctx, batch)
		for _, d := range batch {
			if err := <-d.done; err != nil {
				return handled, err
			}
			handled++
		}
	}
	return handled, nil
}

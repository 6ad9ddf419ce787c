package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Query asks for events after a position, except those younger than MinAge, which the broker probably still delivers.
type Query struct {
	After   int64
	AfterID string // id of the event at position After, "" if the caller does not know it
	Start   bool   // After is not given: read from the first event that is kept
	Limit   int
	MinAge  time.Duration
}

// Page is a part of the feed. The next call asks after Next; Head is the feed's present end.
type Page struct {
	Events []Item `json:"events"`
	Next   int64  `json:"next"`
	Head   int64  `json:"head"`
}

// maxPage bounds a page in bytes: callers read at most 8 MiB (kit/sidecar), and a page that they cannot read would stop
// them for good.
const maxPage = 4 << 20

// Item is an event at its position.
type Item struct {
	Pos   int64           `json:"pos"`
	Event json.RawMessage `json:"event"`
}

// ParseQuery reads the parameters of GET /events. Without after the feed is read from its start; the defaults of the
// others are 500 events of any age.
func ParseQuery(get func(name string) string) (Query, error) {
	q := Query{AfterID: get("after_id"), Start: get("after") == "", Limit: 500}
	var fields []problem.Field
	number := func(name string, lo, hi int64, set func(int64)) {
		raw := get(name)
		if raw == "" {
			return
		}
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || n < lo || n > hi {
			fields = append(fields, problem.Field{Field: name, Message: "is not a number in range"})
			return
		}
		set(n)
	}
	number("after", 0, 1<<62, func(n int64) { q.After = n })
	number("limit", 1, 1000, func(n int64) { q.Limit = int(n) })
	number("min_age_ms", 0, 3_600_000, func(n int64) { q.MinAge = time.Duration(n) * time.Millisecond })
	if len(fields) > 0 {
		return Query{}, problem.Validation(fields...)
	}
	return q, nil
}

// page reads a page and the state of the feed by one statement, so in one snapshot: of two statements, the second could
// miss events that retention removed after the first. Its arguments are the position (NULL for the start), the least
// age in seconds, and the limit.
const page = `WITH h AS (
		SELECT pos AS head, purged_through, purged_id, coalesce(?::bigint, purged_through) AS after FROM outbox_head
	)
	SELECT h.head, h.purged_through, h.purged_id, coalesce(at.id, '') AS at,
		o.pos, coalesce(o.payload, '') AS payload, coalesce(o.ripe, false) AS ripe
	FROM h LEFT JOIN outbox at ON at.pos = h.after LEFT JOIN LATERAL (
		SELECT pos, payload, created_at <= now() - make_interval(secs => ?) AS ripe FROM outbox WHERE pos > h.after
		ORDER BY pos LIMIT ?
	) o ON true ORDER BY o.pos`

// Feed reads events in the order of their positions. It returns Gone (feed_gone) if retention has removed events after
// the position: the caller has missed them for good, and an operator must know. It returns Conflict (feed_forked) if
// the event at the position is not the one that the caller has read: the database was restored, or a replica that
// lagged behind was promoted, and positions are given out again. The event's id shows that, because ids are never used
// again.
func (o *Outbox) Feed(ctx context.Context, q Query) (Page, error) {
	var rows []struct {
		Head          int64
		PurgedThrough int64
		PurgedID      string
		At            string // the id of the event at the position
		Pos           *int64 // nil: there is nothing after the position
		Payload       string
		Ripe          bool
	}
	var after any
	if !q.Start {
		after = q.After
	}
	err := o.db.WithContext(ctx).Raw(page, after, q.MinAge.Seconds(), q.Limit).Scan(&rows).Error
	if err != nil {
		return Page{}, err
	}
	if len(rows) == 0 {
		return Page{}, errors.New("outbox_head has lost its row")
	}
	h := rows[0]
	if q.Start {
		q.After = h.PurgedThrough
	}
	if q.After == h.PurgedThrough {
		h.At = h.PurgedID
	}
	if q.After > h.Head || q.AfterID != "" && h.At != "" && q.AfterID != h.At {
		return Page{}, problem.New(problem.Conflict, "feed_forked",
			"Position %d belongs to another history of this feed: read it from its start, without after.", q.After)
	}
	if q.After < h.PurgedThrough {
		return Page{}, problem.New(problem.Gone, "feed_gone", "Events up to %d were removed; the feed begins after them.",
			h.PurgedThrough)
	}
	p := Page{Events: []Item{}, Next: q.After, Head: h.Head}
	bytes := 0
	for _, r := range rows {
		bytes += len(r.Payload)
		// Next must not pass an event that is not in the page.
		if r.Pos == nil || !r.Ripe || bytes > maxPage && len(p.Events) > 0 {
			break
		}
		p.Events = append(p.Events, Item{Pos: *r.Pos, Event: json.RawMessage(r.Payload)})
		p.Next = *r.Pos
	}
	return p, nil
}

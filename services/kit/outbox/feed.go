package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Query asks for events after a position; those younger than MinAge are left for the broker.
type Query struct {
	After  int64
	Limit  int
	MinAge time.Duration
}

// Page is a piece of the feed. The next call asks after Next; Head is where the feed ends now.
type Page struct {
	Events []Item `json:"events"`
	Next   int64  `json:"next"`
	Head   int64  `json:"head"`
}

// Item is an event at its position.
type Item struct {
	Pos   int64           `json:"pos"`
	Event json.RawMessage `json:"event"`
}

// ParseQuery reads the parameters of GET /events; empty ones take their defaults (0, 500, 0).
func ParseQuery(after, limit, minAgeMS string) (Query, error) {
	q := Query{Limit: 500}
	var fields []problem.Field
	number := func(name, raw string, lo, hi int64, set func(int64)) {
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
	number("after", after, 0, 1<<62, func(n int64) { q.After = n })
	number("limit", limit, 1, 1000, func(n int64) { q.Limit = int(n) })
	number("min_age_ms", minAgeMS, 0, 3_600_000, func(n int64) { q.MinAge = time.Duration(n) * time.Millisecond })
	if len(fields) > 0 {
		return Query{}, problem.Validation(fields...)
	}
	return q, nil
}

// Feed reads events in order. A position that retention has passed is Gone: the caller has missed events for good
// and somebody must know.
func (o *Outbox) Feed(ctx context.Context, q Query) (Page, error) {
	// One statement, one snapshot: of two, the second could miss what retention removed after the first.
	var rows []struct {
		Head          int64
		PurgedThrough int64
		Pos           *int64 // nil: there is nothing after the position
		Payload       string
		Ripe          bool
	}
	err := o.db.WithContext(ctx).Raw(`SELECT h.pos AS head, h.purged_through, o.pos, coalesce(o.payload, '') AS payload, coalesce(o.ripe, false) AS ripe
		FROM outbox_head h LEFT JOIN LATERAL (
			SELECT pos, payload, created_at <= now() - make_interval(secs => ?) AS ripe FROM outbox WHERE pos > ? ORDER BY pos LIMIT ?
		) o ON true ORDER BY o.pos`, q.MinAge.Seconds(), q.After, q.Limit).Scan(&rows).Error
	if err != nil {
		return Page{}, err
	}
	if len(rows) == 0 {
		return Page{}, errors.New("outbox_head has lost its row")
	}
	if purged := rows[0].PurgedThrough; q.After < purged {
		return Page{}, problem.New(problem.Gone, "feed_gone", "Events up to %d were removed; the feed begins after them.", purged)
	}
	page := Page{Events: []Item{}, Next: q.After, Head: rows[0].Head}
	for _, r := range rows {
		if r.Pos == nil || !r.Ripe { // the cursor must not pass an event that was not handed out
			break
		}
		page.Events = append(page.Events, Item{Pos: *r.Pos, Event: json.RawMessage(r.Payload)})
		page.Next = *r.Pos
	}
	return page, nil
}

package events

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/inbox/parked"
)

type counts struct {
	made, unpublished, unnumbered int
	done, parked, dropped, feed   int
}

// counts is the state of all services at a glance.
func (t *tool) counts(ctx context.Context) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("  service\toutbox\tunpublished\tunnumbered\tinbox done\tby feed\tparked\tdropped")
	parked := 0
	for _, s := range contracts.Services {
		if !s.UsesEvents() {
			continue
		}
		var c counts
		service, sends, takes := s.Name, len(s.Publishes()) > 0, len(s.Follows()) > 0
		if sends {
			err := t.each(ctx, service,
				`SELECT count(*), count(*) FILTER (WHERE published_at IS NULL), count(*) FILTER (WHERE pos IS NULL) FROM outbox`,
				nil,
				func(rows *sql.Rows) error { return rows.Scan(&c.made, &c.unpublished, &c.unnumbered) })
			if err != nil {
				return err
			}
		}
		if takes {
			err := t.each(ctx, service, `SELECT count(*) FILTER (WHERE status = 'done'), count(*) FILTER (WHERE status =
				'parked'), count(*) FILTER (WHERE status = 'dropped'),
				count(*) FILTER (WHERE via = 'feed') FROM inbox`, nil,
				func(rows *sql.Rows) error { return rows.Scan(&c.done, &c.parked, &c.dropped, &c.feed) })
			if err != nil {
				return err
			}
		}
		parked += c.parked
		say("  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", service, number(sends, c.made), number(sends, c.unpublished),
			number(sends, c.unnumbered),
			number(takes, c.done), number(takes, c.feed), number(takes, c.parked), number(takes, c.dropped))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(t.out, "  by feed: not delivered by the broker, but read from the producer's feed")
	if parked > 0 {
		_, err = fmt.Fprintln(t.out, "  next: events parked")
	}
	return err
}

func number(has bool, n int) string {
	if !has {
		return "-"
	}
	return fmt.Sprint(n)
}

// parkedPage is how many parked events are read at once.
const parkedPage = 500

// parked lists what could not be handled.
func (t *tool) parked(ctx context.Context, service string) error {
	found := 0
	for _, name := range contracts.Consumers() {
		if service != "" && service != name {
			continue
		}
		db, err := t.db(name)
		if err != nil {
			return err
		}
		after := parked.Cursor{}
		for {
			events, err := parked.List(ctx, db, after, parkedPage)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for _, e := range events {
				after = parked.Cursor{Since: e.Since, ID: e.ID}
				when := "now"
				if next := time.Until(e.NextTry); next > 0 {
					when = fmt.Sprintf("in %.0f s", next.Seconds())
				}
				_, err := fmt.Fprintf(t.out, "%s  %s  %s of %s from %s\n    since %s, %d tries, next %s\n    %s\n", name, e.ID,
					cmp.Or(e.Type, "unreadable"), e.Key, e.Source, e.Since.Local().Format(time.DateTime), e.Attempts, when, e.Reason)
				if err != nil {
					return err
				}
			}
			found += len(events)
			if len(events) < parkedPage {
				break
			}
		}
	}
	if found == 0 {
		_, err := fmt.Fprintln(t.out, "Nothing is parked.")
		return err
	}
	_, err := fmt.Fprintln(t.out,
		"\nnext: events retry <id>|--all, events drop <id> --reason \"…\", events follow <order id>")
	return err
}

// firstLine leaves the stack of a panic to the service's log.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// moment is a line of a story.
type moment struct {
	at            time.Time
	service, what string
}

// follow shows what happened to one aggregate: events written, published and handled, over all services in the order
// of their clocks.
func (t *tool) follow(ctx context.Context, key string) error {
	var story []moment
	for _, service := range contracts.Producers() {
		err := t.each(ctx, service,
			`SELECT id, type, aggregate_version, created_at, pos, published_at, attempts FROM outbox WHERE key = $1`, []any{key},
			func(rows *sql.Rows) error {
				var id, typ string
				var version int64
				var created time.Time
				var pos sql.NullInt64
				var published sql.NullTime
				var attempts int
				if err := rows.Scan(&id, &typ, &version, &created, &pos, &published, &attempts); err != nil {
					return err
				}
				state := "not published yet"
				if published.Valid {
					state = fmt.Sprintf("published after %d ms", published.Time.Sub(created).Milliseconds())
				}
				if attempts > 1 {
					state += fmt.Sprintf(" and %d tries", attempts)
				}
				position := "no position in the feed yet"
				if pos.Valid {
					position = fmt.Sprintf("feed %d", pos.Int64)
				}
				story = append(story, moment{created, service, fmt.Sprintf("says %s (version %d, %s, %s)  %s", typ, version, state,
					position, id)})
				return nil
			})
		if err != nil {
			return err
		}
	}
	for _, service := range contracts.Consumers() {
		err := t.each(ctx, service,
			`SELECT id, type, status, via, attempts, reason, received_at, handled_at FROM inbox WHERE key = $1`, []any{key},
			func(rows *sql.Rows) error {
				var id, typ, status, via, reason string
				var attempts int
				var received time.Time
				var handled sql.NullTime
				if err := rows.Scan(&id, &typ, &status, &via, &attempts, &reason, &received, &handled); err != nil {
					return err
				}
				m := moment{received, service, fmt.Sprintf("has %s by %s  %s", typ, via, id)}
				switch {
				case status != "done":
					m.what = fmt.Sprintf("%s %s after %d tries: %s  %s", status, typ, attempts, firstLine(reason), id)
				case attempts > 1 && handled.Valid:
					m.what = fmt.Sprintf("has %s by %s after %d tries, %s later  %s", typ, via, attempts,
						handled.Time.Sub(received).Round(time.Millisecond), id)
				}
				story = append(story, m)
				return nil
			})
		if err != nil {
			return err
		}
	}
	if len(story) == 0 {
		return fmt.Errorf("no event is about %s", key)
	}
	slices.SortStableFunc(story, func(a, b moment) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	for _, m := range story {
		if _, err := fmt.Fprintf(t.out, "%s  +%6d ms  %-8s %s\n", m.at.Local().Format("15:04:05.000"),
			m.at.Sub(story[0].at).Milliseconds(), m.service, m.what); err != nil {
			return err
		}
	}
	return nil
}

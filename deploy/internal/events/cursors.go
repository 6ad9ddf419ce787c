package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"daprmall.dev/services/contracts"
)

// cursors shows or moves how far services have read the feeds of their producers.
func (t *tool) cursors(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0:
		return t.showCursors(ctx)
	case len(args) == 4 && args[0] == "move":
		return t.moveCursor(ctx, args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "seen":
		return t.changeCursors(ctx, args[1], args[2], "the alarm was cleared",
			"UPDATE inbox_positions SET gone_at = NULL, gone_pos = NULL WHERE source = $1")
	}
	return errors.New("cursors, cursors move <service> <source> start|<position>, or cursors seen <service> <source>")
}

type cursor struct {
	source, event, id string
	pos, gone         sql.NullInt64
	read              sql.NullTime
}

func (t *tool) showCursors(ctx context.Context) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("  service\tsource\ttype\tposition\tof\tlast read to the end\t")
	lost := false
	for _, service := range contracts.Consumers() {
		var found []cursor
		err := t.each(ctx, service,
			`SELECT source, type, event_id, pos, gone_pos, read_at FROM inbox_positions ORDER BY source, type`, nil,
			func(rows *sql.Rows) error {
				var c cursor
				err := rows.Scan(&c.source, &c.event, &c.id, &c.pos, &c.gone, &c.read)
				found = append(found, c)
				return err
			})
		if err != nil {
			return err
		}
		for _, c := range found {
			head, note, err := t.standing(ctx, c)
			if err != nil {
				return err
			}
			at, answer := "start", "never"
			if c.pos.Valid {
				at = fmt.Sprint(c.pos.Int64)
			}
			if c.read.Valid {
				answer = fmt.Sprintf("%.0f s ago", time.Since(c.read.Time).Seconds())
			}
			lost = lost || c.gone.Valid
			say("  %s\t%s\t%s\t%s\t%d\t%s\t%s", service, c.source, c.event, at, head, answer, note)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if lost {
		_, err := fmt.Fprintln(t.out,
			"  next: run audit to see what is missing; after the repair: events cursors seen <service> <source>")
		return err
	}
	return nil
}

// standing returns the end of a cursor's feed, and what is wrong with the cursor.
func (t *tool) standing(ctx context.Context, c cursor) (head int64, note string, err error) {
	if !slices.Contains(contracts.Producers(), c.source) {
		return 0, "no such producer", nil
	}
	var purged int64
	var id string
	err = t.each(ctx, c.source,
		`SELECT h.pos, h.purged_through, coalesce(o.id, '') FROM outbox_head h LEFT JOIN outbox o ON o.pos = $1`,
		[]any{c.pos}, func(rows *sql.Rows) error { return rows.Scan(&head, &purged, &id) })
	switch {
	case err != nil:
		return 0, "", err
	case c.gone.Valid:
		note = fmt.Sprintf("EVENTS ARE MISSING after %d", c.gone.Int64)
	case !c.pos.Valid:
	case c.pos.Int64 > head || id != "" && c.id != "" && id != c.id:
		note = "of another history: the feed will be read again"
	case c.pos.Int64 < purged:
		note = fmt.Sprintf("the feed begins after %d", purged)
	}
	return head, note, nil
}

// moveCursor sets the positions of all types. A replica that is reading the feed stops at its next page.
func (t *tool) moveCursor(ctx context.Context, service, source, to string) error {
	var pos any // the start
	what := "the whole feed is read again; events in the inbox have no second effect"
	if to != "start" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a position: give start or a number", to)
		}
		pos, what = n, "events up to there are skipped unless the broker delivered them"
	}
	return t.changeCursors(ctx, service, source, what,
		"UPDATE inbox_positions SET pos = $2, event_id = '', owner = '', lease_until = now() WHERE source = $1", pos)
}

func (t *tool) changeCursors(ctx context.Context, service, source, what, query string, args ...any) error {
	if !slices.Contains(contracts.Consumers(), service) {
		return fmt.Errorf("%q is not a service that handles events; these are %s", service,
			strings.Join(contracts.Consumers(), ", "))
	}
	db, err := t.db(service)
	if err != nil {
		return err
	}
	res, err := db.ExecContext(ctx, query, append([]any{source}, args...)...)
	if err != nil {
		return fmt.Errorf("%s: %w", service, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%s does not read the feed of %q", service, source)
	}
	_, err = fmt.Fprintf(t.out, "%s, feed of %s, %d types: %s\n", service, source, n, what)
	return err
}

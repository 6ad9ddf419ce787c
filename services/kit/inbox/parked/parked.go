// Package parked shows the events that a service could not handle, and lets an operator retry or drop one. The routes
// for admins and the operators' command use it.
package parked

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// Event is an event whose handler failed. Type is "" if the event could not be read.
type Event struct {
	ID, Type, Source, Key string
	Reason                string // the first line: the rest is the stack of a panic, which the service logged
	Attempts              int
	Since                 time.Time
	NextTry               time.Time
	TraceID               string // "" if the event has none
}

// Cursor is the place of an event in the list. The zero value is the start.
type Cursor struct {
	Since time.Time
	ID    string
}

// Errors of Retry and Drop.
var (
	ErrUnknown = errors.New("the event is not in the inbox")
	ErrHandled = errors.New("the event was handled")
	ErrDropped = errors.New("the event was dropped")
)

// List returns at most limit parked events after a cursor, the oldest first. It reads no payload but the trace id.
func List(ctx context.Context, db *sql.DB, after Cursor, limit int) ([]Event, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, type, source, key, split_part(reason, E'\n', 1), attempts, received_at,
			coalesce(next_try_at, now()), coalesce(substring(payload FROM 'traceparent\\?": ?\\?"00-([0-9a-f]{32})-'), '')
		FROM inbox WHERE status = 'parked' AND (received_at, id) > ($1, $2) ORDER BY received_at, id LIMIT $3`,
		after.Since, after.ID, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err is asked below
	var all []Event
	for rows.Next() {
		var e Event
		if err := rows.Scan(&e.ID, &e.Type, &e.Source, &e.Key, &e.Reason, &e.Attempts, &e.Since, &e.NextTry,
			&e.TraceID); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// Retry makes a parked event due now. The service's own retrier takes it, with its handlers and its locks.
func Retry(ctx context.Context, db *sql.DB, id string) error {
	return change(ctx, db, id, `UPDATE inbox SET next_try_at = now() WHERE status = 'parked' AND id = $1`, id)
}

// RetryAll makes all parked events due now and returns their number.
func RetryAll(ctx context.Context, db *sql.DB) (int64, error) {
	res, err := db.ExecContext(ctx, `UPDATE inbox SET next_try_at = now() WHERE status = 'parked'`)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Drop gives up a parked event. Its row stays, so that it is not fetched from the feed again and somebody can see who
// gave up and why.
func Drop(ctx context.Context, db *sql.DB, id, reason string) error {
	return change(ctx, db, id, `UPDATE inbox SET status = 'dropped', next_try_at = NULL, handled_at = now(),
			reason = left($2 || ' (was: ' || reason || ')', 4000)
		WHERE status = 'parked' AND id = $1`, id, strings.TrimSpace(reason))
}

// change updates a parked event. A retry in progress has locked the row: the update waits for it, and finds nothing if
// it succeeded. So either the handler's effect or the drop commits, never both.
func change(ctx context.Context, db *sql.DB, id, statement string, args ...any) error {
	res, err := db.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	var status string
	err = db.QueryRowContext(ctx, `SELECT status FROM inbox WHERE id = $1`, id).Scan(&status)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case status == "done":
		return ErrHandled
	case status == "dropped":
		return ErrDropped
	}
	return ErrUnknown
}

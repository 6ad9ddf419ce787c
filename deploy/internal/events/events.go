// Package events shows the mall's events on their way and lets an operator retry or drop those that are parked.
package events

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/inbox/parked"
)

// Usage is the help of all commands.
const Usage = `usage: events [...]

  events                            counts per service
  events parked [service]           what could not be handled, and why
  events retry <id>|--all [service] try again now
  events drop <id> --reason <why> [service]   give up on one; it stays visible as dropped
  events cursors                    how far each service has read the feeds of its producers
  events cursors move <service> <source> start|<position>   read on from there, or again from what is kept
  events cursors seen <service> <source>   end the alarm of events that are missing for good
  events follow <order id>          the story of one order (or other aggregate) through all services
`

// Run runs the command that args name on a mall.
func Run(ctx context.Context, m running.Mall, args []string, out io.Writer) error {
	verb := "counts"
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	t := &tool{mall: m, out: out}
	defer t.close()
	switch verb {
	case "counts":
		return t.counts(ctx)
	case "parked":
		service, err := serviceIn(args)
		if err != nil {
			return err
		}
		return t.parked(ctx, service)
	case "retry":
		return t.retry(ctx, args)
	case "drop":
		return t.drop(ctx, args)
	case "cursors":
		return t.cursors(ctx, args)
	case "follow":
		if len(args) != 1 {
			return errors.New("follow what? Give an order's id")
		}
		return t.follow(ctx, args[0])
	}
	return fmt.Errorf("there is no command %q\n%s", verb, Usage)
}

// serviceIn reads the optional last argument; no service means all.
func serviceIn(args []string) (string, error) {
	switch {
	case len(args) == 0:
		return "", nil
	case len(args) == 1 && slices.Contains(contracts.Consumers(), args[0]):
		return args[0], nil
	}
	return "", fmt.Errorf("%q is not a service that handles events; these are %s", strings.Join(args, " "),
		strings.Join(contracts.Consumers(), ", "))
}

// tool holds the connections it has needed.
type tool struct {
	mall running.Mall
	out  io.Writer
	dbs  map[string]*sql.DB
}

func (t *tool) db(service string) (*sql.DB, error) {
	if db := t.dbs[service]; db != nil {
		return db, nil
	}
	db, err := sql.Open("pgx", t.mall.Databases[service])
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if t.dbs == nil {
		t.dbs = map[string]*sql.DB{}
	}
	t.dbs[service] = db
	return db, nil
}

func (t *tool) close() {
	for _, db := range t.dbs {
		_ = db.Close()
	}
}

// each runs a query in one service.
func (t *tool) each(ctx context.Context, service, query string, args []any, scan func(rows *sql.Rows) error) error {
	db, err := t.db(service)
	if err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", service, err)
	}
	defer rows.Close() //nolint:errcheck // Err is asked below
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
	}
	return rows.Err()
}

// retry makes parked events due now; an event that is not parked is an error.
func (t *tool) retry(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("retry what? Give an event's id, or --all")
	}
	service, err := serviceIn(args[1:])
	if err != nil {
		return err
	}
	id, change := args[0], parked.RetryAll
	if id != "--all" {
		change = one(func(ctx context.Context, db *sql.DB) error { return parked.Retry(ctx, db, id) })
	}
	n, err := t.change(ctx, service, change)
	if err != nil {
		return err
	}
	if n == 0 && id != "--all" {
		return fmt.Errorf("no event %s is parked", id)
	}
	fmt.Fprintf(t.out, "%d events are due now; in a second, `events parked` shows those that failed again\n", n)
	return nil
}

// drop gives up one event.
func (t *tool) drop(ctx context.Context, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return errors.New("drop what? Give an event's id and --reason")
	}
	id := args[0]
	f := flag.NewFlagSet("drop", flag.ContinueOnError)
	reason := f.String("reason", "", "why the event is not needed")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	service, err := serviceIn(f.Args())
	if err != nil {
		return err
	}
	if strings.TrimSpace(*reason) == "" {
		return errors.New("say why: --reason \"…\"")
	}
	n, err := t.change(ctx, service,
		one(func(ctx context.Context, db *sql.DB) error { return parked.Drop(ctx, db, id, *reason) }))
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("no event %s is parked", id)
	}
	fmt.Fprintf(t.out, "dropped in %d services, where it will have no effect: check with `audit`\n", n)
	return nil
}

// one counts the services where an event is parked: most services have not seen it, or have handled it.
func one(change func(ctx context.Context, db *sql.DB) error) func(ctx context.Context, db *sql.DB) (int64, error) {
	return func(ctx context.Context, db *sql.DB) (int64, error) {
		err := change(ctx, db)
		if errors.Is(err, parked.ErrUnknown) || errors.Is(err, parked.ErrHandled) || errors.Is(err, parked.ErrDropped) {
			return 0, nil
		}
		return 1, err
	}
}

// change changes the inbox of one service, or of all, and returns the number of events.
func (t *tool) change(ctx context.Context, service string,
	change func(ctx context.Context, db *sql.DB) (int64, error)) (int64, error) {
	total := int64(0)
	for _, name := range contracts.Consumers() {
		if service != "" && name != service {
			continue
		}
		db, err := t.db(name)
		if err != nil {
			return total, err
		}
		n, err := change(ctx, db)
		if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
			return total, fmt.Errorf("%s: %s", name, pe.Message)
		} else if err != nil {
			return total, fmt.Errorf("%s: %w", name, err)
		}
		total += n
	}
	return total, nil
}

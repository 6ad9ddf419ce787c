package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/config/keys"
)

// facts are what the services hold, each service in one snapshot of its database.
type facts struct {
	services map[string]*serviceDB
	gate     *gateFacts // nil without Redis
	grace    float64    // seconds an order may be past due before it is cancelled

	orders       map[int64]order
	soldUnits    map[int64]int64 // product → units in paid orders
	fencedOrders []int64         // orders that exist though their id was fenced

	orderFaults []fault

	payments map[int64]payment
	bills    map[int64]bill
	refunds  []refund
	charges  map[string]charge

	stock        map[int64]stockRow
	reservations map[int64]reserved // by order
	rejections   map[int64]float64  // order → age
	stockFaults  []fault

	checkouts       map[int64]bool // by order
	checkoutsFrom   float64        // age of the oldest checkout record, in seconds
	keyFaults       []fault
	checkoutAnswers []answeredKey // by checkout
	paymentAnswers  []answeredKey // by payment

	mu              sync.Mutex
	missingEvents   []fault
	liveAndArchived []fault
}

// fault is a row of a query that only returns what is wrong.
type fault struct {
	rule, subject, detail string
	age                   float64 // < 0: nothing to wait for
}

// serviceDB is one database, read in one transaction.
type serviceDB struct {
	name string
	db   *sql.DB
	tx   *sql.Tx
}

// readAll reads everything, the services in parallel. The gate is read before product's database: so if the gate has a
// newer stock than the ledger, that is a fault and not a matter of timing.
func readAll(ctx context.Context, m running.Mall) (*facts, error) {
	f := &facts{services: map[string]*serviceDB{}, grace: keys.CancelGrace.Standard().Seconds()}
	var err error
	if m.Redis.Addr != "" {
		if f.gate, f.grace, err = readGate(ctx, m); err != nil {
			return nil, fmt.Errorf("read the gate: %w", err)
		}
	}
	for _, name := range contracts.Databases() {
		r, err := openServiceDB(ctx, name, m.Databases[name])
		if err != nil {
			f.close()
			return nil, fmt.Errorf("database of %s: %w", name, err)
		}
		f.services[name] = r
	}
	loads := map[string][]func(context.Context, *serviceDB) error{
		"order":    {f.loadLiveAndArchived, f.loadOrders, f.loadOrderEvents},
		"payment":  {f.loadLiveAndArchived, f.loadPayments, f.loadPaymentKeys},
		"sandbox":  {f.loadCharges},
		"product":  {f.loadLiveAndArchived, f.loadStock, f.loadReservations, f.loadRejectionEvents},
		"checkout": {f.loadLiveAndArchived, f.loadCheckouts},
	}
	var wg sync.WaitGroup
	errs := make([]error, len(contracts.Databases()))
	for i, name := range contracts.Databases() {
		wg.Go(func() {
			for _, load := range loads[name] {
				if err := load(ctx, f.services[name]); err != nil {
					errs[i] = fmt.Errorf("%s: %w", name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func openServiceDB(ctx context.Context, name, dsn string) (*serviceDB, error) {
	if dsn == "" {
		return nil, errors.New("the runner does not know it")
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	// Whole tables are added up, all services side by side: compiling the queries takes longer than running them, and
	// sorting on disk longer than in memory.
	if _, err := tx.ExecContext(ctx,
		"SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL max_parallel_workers_per_gather = 0"); err != nil {
		_ = db.Close()
		return nil, err
	}
	return &serviceDB{name, db, tx}, nil
}

func (f *facts) close() {
	for _, r := range f.services {
		_ = r.tx.Rollback() // nothing was written
		_ = r.db.Close()
	}
}

// each runs a query and calls scan per row.
func (r *serviceDB) each(ctx context.Context, query string, args []any, scan func(rows *sql.Rows) error) error {
	rows, err := r.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is asked below
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// faults runs a query whose rows are faults: subject, detail and, if waiting may help, an age.
func (r *serviceDB) faults(ctx context.Context, rule, query string, aged bool) ([]fault, error) {
	var out []fault
	err := r.each(ctx, query, nil, func(rows *sql.Rows) error {
		f := fault{rule: rule, age: -1}
		to := []any{&f.subject, &f.detail}
		if aged {
			to = append(to, &f.age)
		}
		out = append(out, f)
		if err := rows.Scan(to...); err != nil {
			return err
		}
		out[len(out)-1] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rule, err)
	}
	return out, nil
}

// report writes faults into a book.
func (b *Book) report(faults []fault) {
	for _, f := range faults {
		l := Violation
		if f.age >= 0 {
			l = level(f.age)
		}
		b.add(l, f.rule, f.subject, "%s", f.detail)
	}
}

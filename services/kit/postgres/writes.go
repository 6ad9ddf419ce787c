package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/batch"
)

const (
	// maxShared is how many statements share a transaction at most.
	maxShared = 32
	// sharedPatience is how long statements wait for the transaction that runs, before they begin another one beside it.
	sharedPatience = 5 * time.Millisecond
	// lockPatience is how long a statement of a shared transaction may wait for a lock, while the others wait for it. It
	// is shorter than deadlock_timeout: of two shared transactions that wait for each other one gives up first.
	lockPatience = 100 * time.Millisecond
	// sharedTimeout bounds a shared transaction. Each caller has its own deadline as well.
	sharedTimeout = 5 * time.Second
)

// Exec runs a statement that may be repeated without harm, and returns how many rows it changed. It has GORM's
// placeholders ("?"). In a transaction of ctx it is a part of that. Otherwise statements that wait at the same time
// share one transaction and one round trip; one that is alone runs alone, at once. If a shared transaction fails it has
// changed nothing, or its outcome is unknown: then each of its statements runs alone, and only a bad one returns an
// error. A statement whose connection breaks is repeated. If ctx ends first, the outcome is unknown.
func Exec(ctx context.Context, db *gorm.DB, text string, args ...any) (changed int64, err error) {
	out, err := write(ctx, db, text, args, nil)
	return out.changed, err
}

// One is Exec for a statement that returns at most one row. fields returns pointers to the fields of a row, in the
// order of the statement's columns; each has the type of its column, for it is read with and without database/sql.
func One[T any](ctx context.Context, db *gorm.DB, fields func(*T) []any, text string, args ...any) (row T, found bool,
	err error) {
	// A new row for each try: a caller that has given up may not see its own change any more.
	out, err := write(ctx, db, text, args, func(r rows) (any, error) {
		var t T
		return t, r.Scan(fields(&t)...)
	})
	row, found = out.row.(T)
	return row, found, err
}

// rows is what pgx.Rows and sql.Rows have in common.
type rows interface {
	Next() bool
	Scan(to ...any) error
	Err() error
}

type statement struct {
	ctx  context.Context //nolint:containedctx // of its caller
	text string          // with PostgreSQL's placeholders
	args []any
	scan func(rows) (any, error) // nil: it returns no row
}

type written struct {
	changed int64
	row     any // nil if there is none
}

// read reads the only row of a result, and then to its end: only there is the error of a lone statement's commit.
func (s *statement) read(r rows) (w written, err error) {
	if r.Next() {
		if w.row, err = s.scan(r); err != nil {
			return w, err
		}
		w.changed = 1
	}
	for r.Next() {
	}
	return w, r.Err()
}

// runOn runs a statement on a pool, or in a transaction.
func (s *statement) runOn(on gorm.ConnPool) (w written, err error) {
	if s.scan == nil {
		res, err := on.ExecContext(s.ctx, s.text, s.args...)
		if err != nil {
			return w, err
		}
		w.changed, err = res.RowsAffected()
		return w, err
	}
	r, err := on.QueryContext(s.ctx, s.text, s.args...)
	if err != nil {
		return w, err
	}
	defer func() { _ = r.Close() }()
	w, err = s.read(r)
	return w, errors.Join(err, r.Err())
}

// write runs a statement, and tells the logger of db.
func write(ctx context.Context, db *gorm.DB, text string, args []any, scan func(rows) (any, error)) (w written,
	err error) {
	began := time.Now()
	s := &statement{ctx, numbered(text), args, scan}
	if joined, ok := ctx.Value(key(db)).(*txState); ok {
		w, err = s.runOn(joined.tx.Statement.ConnPool)
	} else {
		w, err = db.Plugins[pluginName].(*writes).do(s)
	}
	db.Logger.Trace(ctx, began, func() (string, int64) { return db.Explain(s.text, args...), w.changed }, err)
	return w, err
}

// texts are statements with PostgreSQL's placeholders, by those with GORM's: they are few and constant.
var texts sync.Map

func numbered(text string) string {
	if known, ok := texts.Load(text); ok {
		return known.(string)
	}
	var b strings.Builder
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	texts.Store(text, b.String())
	return b.String()
}

const pluginName = "daprmall:writes"

// writes are the shared transactions of a database. It is a plugin of GORM to be found by the database.
type writes struct {
	pool     *sql.DB
	group    *batch.Group[*statement, written]
	underWay atomic.Int64
}

// Name implements gorm.Plugin.
func (*writes) Name() string { return pluginName }

// Initialize implements gorm.Plugin.
func (w *writes) Initialize(db *gorm.DB) (err error) {
	w.pool, err = db.DB()
	w.group = batch.New(maxShared, sharedPatience, w.run)
	return err
}

// errShared is the result of all statements of a shared transaction that failed.
var errShared = errors.New("the shared transaction failed")

func (w *writes) do(s *statement) (written, error) {
	defer w.underWay.Add(-1)
	if w.underWay.Add(1) == 1 {
		return w.alone(s) // without the goroutine of a batch, whose stack has to grow first
	}
	out, err := w.group.Do(s.ctx, s)
	return w.orAlone(s, out, err)
}

// orAlone runs a statement whose shared transaction failed, for its caller: one that waits for a lock keeps nobody else
// waiting.
func (w *writes) orAlone(s *statement, out written, err error) (written, error) {
	if errors.Is(err, errShared) {
		return w.alone(s)
	}
	return out, err
}

func (w *writes) run(all []*statement) []batch.Result[written] {
	if len(all) == 1 {
		out, err := w.alone(all[0])
		return []batch.Result[written]{{Value: out, Err: err}}
	}
	results := make([]batch.Result[written], len(all))
	if err := w.share(all, results); err != nil {
		slog.Debug("a shared transaction failed, its statements run alone", "statements", len(all), "error", err)
		for i := range results {
			results[i] = batch.Result[written]{Err: fmt.Errorf("%w: %w", errShared, err)}
		}
	}
	return results
}

// alone runs a statement by itself, and again if the connection broke.
func (w *writes) alone(s *statement) (written, error) {
	for try := 1; ; try++ {
		out, err := s.runOn(w.pool)
		if err == nil || try == 3 || !IsUnavailable(err) || s.ctx.Err() != nil {
			return out, err
		}
	}
}

// share runs statements in one transaction, by one round trip: what is sent without a Sync in between is a transaction
// without BEGIN and COMMIT. Nothing is certain until Close has read the answer to the Sync, which is the commit.
func (w *writes) share(all []*statement, results []batch.Result[written]) error {
	ctx, cancel := context.WithTimeout(context.Background(), sharedTimeout)
	defer cancel()
	conn, err := w.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return conn.Raw(func(driverConn any) (err error) {
		b := &pgx.Batch{}
		b.Queue("SELECT set_config('lock_timeout', $1, true)", lockPatience.String())
		for _, s := range all {
			b.Queue(s.text, s.args...)
		}
		sent := driverConn.(*stdlib.Conn).Conn().SendBatch(ctx, b)
		defer func() { err = errors.Join(err, sent.Close()) }()
		if _, err := sent.Exec(); err != nil {
			return err
		}
		for i, s := range all {
			if results[i].Value, err = s.readFrom(sent); err != nil {
				return err
			}
		}
		return nil
	})
}

// readFrom reads the result of a statement that was sent.
func (s *statement) readFrom(sent pgx.BatchResults) (w written, err error) {
	if s.scan == nil {
		tag, err := sent.Exec()
		return written{changed: tag.RowsAffected()}, err
	}
	r, err := sent.Query()
	if err != nil {
		return w, err
	}
	defer r.Close()
	return s.read(r)
}

// Package postgres opens a service's database, migrates it under a lock, and runs transactions that can be joined and
// that can call functions after their commit.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Open connects to the database of a DSN (postgres:// URL) and waits until it answers or ctx ends. Each new connection
// calls for the DSNs and uses the first whose password is right: a password can change while the process runs.
func Open(ctx context.Context, dsns func() []string) (*gorm.DB, error) {
	for _, dsn := range dsns() {
		if _, err := pgx.ParseConfig(dsn); err != nil {
			return nil, fmt.Errorf("open database: %w", hideDSN(err))
		}
	}
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: sql.OpenDB(connector(dsns))}), &gorm.Config{
		SkipDefaultTransaction: true, // InTx is the only, explicit transaction
		PrepareStmt:            false,
		DisableAutomaticPing:   true,
		TranslateError:         false,
		Logger:                 logger.Discard, // errors are returned, and logged once by the code that handles them
		NowFunc:                func() time.Time { return time.Now().UTC() },
	})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", hideDSN(err))
	}
	pool, err := db.DB()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	DefaultPool.set(pool)
	if err := db.Use(&writes{}); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	for {
		err = pool.PingContext(ctx)
		if err == nil {
			return db, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to database: %w", hideDSN(err))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// connector makes the connections of a pool.
type connector func() []string

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (conn driver.Conn, err error) {
	for _, dsn := range c() {
		cfg, parseErr := pgx.ParseConfig(dsn)
		if parseErr != nil {
			return nil, hideDSN(parseErr)
		}
		if conn, err = stdlib.GetConnector(*cfg, stdlib.OptionResetSession(checkAlive)).Connect(ctx); !wrongPassword(err) {
			return conn, err
		}
	}
	return conn, err
}

// Driver implements driver.Connector.
func (connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// wrongPassword: invalid_password, invalid_authorization_specification (PostgreSQL appendix A).
func wrongPassword(err error) bool {
	code := sqlState(err)
	return code == "28P01" || code == "28000"
}

// Ping reports whether the database can be reached now.
func Ping(ctx context.Context, db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	return pool.PingContext(ctx)
}

// hideDSN keeps a password out of logs: pgx puts the whole DSN into its parse errors.
func hideDSN(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return errors.New("the DSN cannot be read")
	}
	return err
}

type txKey struct{ db *sql.DB }

type txState struct {
	tx          *gorm.DB
	afterCommit []func()
}

func key(db *gorm.DB) txKey {
	pool, _ := db.DB()
	return txKey{pool}
}

// InTx runs fn in a transaction. Inside another InTx on the same database it joins that one, so that stores compose and
// an event's inbox row commits with its effect. The outermost call repeats fn after a deadlock or serialization
// failure, or if the connection broke before the commit was sent: fn must have no effect outside the transaction.
func InTx(ctx context.Context, db *gorm.DB, fn func(ctx context.Context, tx *gorm.DB) error) error {
	if s, ok := ctx.Value(key(db)).(*txState); ok {
		return fn(ctx, s.tx)
	}
	for try := 1; ; try++ {
		var s *txState
		committing := false // once true, a broken connection leaves the outcome unknown
		err := db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			s = &txState{tx: tx}
			err := fn(context.WithValue(ctx, key(db), s), tx)
			committing = err == nil
			return err
		})
		if err == nil {
			for _, f := range s.afterCommit {
				f()
			}
			return nil
		}
		if try == 5 || ctx.Err() != nil || !isDeadlock(err) && (committing || !IsUnavailable(err)) {
			return err
		}
		slog.DebugContext(ctx, "transaction repeated", "try", try, "error", err)
		select { // lets the other transaction of a deadlock win
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(time.Duration(try) * 20 * time.Millisecond)):
		}
	}
}

// DB returns the transaction of ctx, or db itself.
func DB(ctx context.Context, db *gorm.DB) *gorm.DB {
	if s, ok := ctx.Value(key(db)).(*txState); ok {
		return s.tx
	}
	return db.WithContext(ctx)
}

// AfterCommit calls f once the transaction of ctx has committed, at once if there is none. A crash between commit and f
// loses the call: use it to hasten work, never for an effect that must happen.
func AfterCommit(ctx context.Context, db *gorm.DB, f func()) {
	if s, ok := ctx.Value(key(db)).(*txState); ok {
		s.afterCommit = append(s.afterCommit, f)
		return
	}
	f()
}

// Undone reports whether a failed statement certainly had no effect and may succeed if it is repeated.
func Undone(err error) bool {
	return isDeadlock(err) || pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn) || sqlState(err) != "" &&
		IsUnavailable(err)
}

// isDeadlock: serialization_failure and deadlock_detected (PostgreSQL appendix A).
func isDeadlock(err error) bool {
	code := sqlState(err)
	return code == "40001" || code == "40P01"
}

// IsUnique reports whether err is a unique violation, of any constraint or of the named one.
func IsUnique(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" && (constraint == "" || pg.ConstraintName == constraint)
}

// IsCheck reports whether err is a violation of the named CHECK constraint.
func IsCheck(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23514" && (constraint == "" || pg.ConstraintName == constraint)
}

// IsUnavailable reports whether err means that the database cannot be reached or did not answer, so that the same may
// succeed a moment later.
func IsUnavailable(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) {
		return true
	}
	// connection_exception, insufficient_resources, and the server's own end or start (PostgreSQL appendix A)
	code := sqlState(err)
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57P")
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

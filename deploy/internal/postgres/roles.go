package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

func ping(ctx context.Context, dsn string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

// Databases makes sure that each name has a role with its password and a database that
// this role owns and no other may enter. It may run any number of times.
func Databases(ctx context.Context, dsn string, passwords map[string]string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // every statement has been checked
	db.SetMaxOpenConns(1)
	roles, err := names(ctx, db, "SELECT rolname FROM pg_roles")
	if err != nil {
		return err
	}
	databases, err := names(ctx, db, "SELECT datname FROM pg_database")
	if err != nil {
		return err
	}
	for name, password := range passwords {
		verb := "CREATE"
		if roles[name] {
			verb = "ALTER"
		}
		if err := login(ctx, db, verb, name, password); err != nil {
			return fmt.Errorf("%s ROLE %s: %w", verb, name, err)
		}
		role := pgx.Identifier{name}.Sanitize()
		var statements []string
		if !databases[name] {
			statements = append(statements,
				// A superuser of a managed server must be a member to give it a database.
				fmt.Sprintf("GRANT %s TO CURRENT_USER", role),
				fmt.Sprintf("CREATE DATABASE %s OWNER %s ENCODING 'UTF8' TEMPLATE template0", role, role))
		}
		statements = append(statements, fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM PUBLIC", role))
		for _, s := range statements {
			if _, err := db.ExecContext(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
	}
	// The shared databases, too, are none of the services' business.
	for _, shared := range []string{"postgres", "template1"} {
		if _, err := db.ExecContext(ctx, "REVOKE CONNECT ON DATABASE "+shared+" FROM PUBLIC"); err != nil {
			return err
		}
	}
	return statistics(ctx, db)
}

// login makes a role that may sign in, or changes its password. Such a statement takes no parameters: the server
// quotes.
func login(ctx context.Context, db *sql.DB, verb, name, password string) error {
	rights := ""
	if verb == "CREATE" { // only a superuser may name them to change a role
		rights = "NOSUPERUSER NOCREATEDB NOCREATEROLE"
	}
	var statement string
	err := db.QueryRowContext(ctx, `SELECT format('%s ROLE %I LOGIN %s PASSWORD %L',
		$1::text, $2::text, $3::text, $4::text)`, verb, name, rights, password).Scan(&statement)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return err
}

// statistics are for finding slow queries; a server that does not allow them is as good.
func statistics(ctx context.Context, db *sql.DB) error {
	var loaded string
	err := db.QueryRowContext(ctx, "SHOW shared_preload_libraries").Scan(&loaded)
	if err == nil && strings.Contains(loaded, "pg_stat_statements") {
		_, err = db.ExecContext(ctx, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

func names(ctx context.Context, db *sql.DB, query string) (map[string]bool, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err is asked below
	out := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out[name] = true
	}
	return out, rows.Err()
}

// AnyHasRows reports whether a table exists and has rows in one of the databases, which are given by name.
func AnyHasRows(ctx context.Context, table string, dsns map[string]string) (bool, error) {
	for _, dsn := range dsns {
		if has, err := hasRows(ctx, table, dsn); err != nil || has {
			return has, err
		}
	}
	return false, nil
}

func hasRows(ctx context.Context, table, dsn string) (bool, error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return false, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	var there, has bool
	if err := db.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there); err != nil || !there {
		return false, err
	}
	err = db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+pgx.Identifier{table}.Sanitize()+")").Scan(&has)
	return has, err
}

//go:build !unix

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// checkAlive does nothing: pgx asks the server after a second of idleness.
func checkAlive(context.Context, *pgx.Conn) error { return nil }

//go:build unix

package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// checkAlive returns driver.ErrBadConn for a connection on which the server has sent something unasked (usually that it
// closes it) or that is closed. The pool then uses another one instead of failing a request. It peeks without blocking
// or writing, as github.com/go-sql-driver/mysql does; pgx itself asks the server, and only after a second of idleness.
// A reader that pgx left in the background may be waiting on the socket: Control, unlike Read, does not wait for it.
func checkAlive(_ context.Context, conn *pgx.Conn) error {
	socket, ok := conn.PgConn().Conn().(syscall.Conn)
	if !ok { // with TLS only pgx's own check works
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return driver.ErrBadConn
	}
	silent := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
	})
	if err != nil || !silent {
		return driver.ErrBadConn
	}
	return nil
}

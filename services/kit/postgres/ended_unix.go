//go:build unix

package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// ended says driver.ErrBadConn of a connection on which the server has said something while nobody asked: that it ends, mostly, or
// nothing more. The pool then takes another one, instead of giving a request a connection that cannot work. It looks without waiting
// and without writing, as github.com/go-sql-driver/mysql does; pgx itself asks the server, and only after a second of idleness.
// A reader that pgx has left in the background may be waiting on the socket: Control, unlike Read, does not wait for it.
func ended(_ context.Context, conn *pgx.Conn) error {
	socket, ok := conn.PgConn().Conn().(syscall.Conn)
	if !ok { // TLS: there, pgx's question has to do
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

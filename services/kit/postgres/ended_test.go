//go:build unix

package postgres

import (
	"database/sql/driver"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// After a slow write pgx leaves a goroutine that reads from the connection. A check of the connection must not wait for
// it: in production this stopped a relay forever.
func TestCheckingAConnectionDoesNotBlock(t *testing.T) {
	server := os.Getenv("MALL_TEST_POSTGRES_URL")
	if server == "" {
		if testing.Short() {
			t.Skip("needs PostgreSQL")
		}
		t.Fatal("MALL_TEST_POSTGRES_URL is not set")
	}
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	socket := conn.PgConn().Conn()
	gone := make(chan error, 1)
	go func() {
		_, err := socket.Read(make([]byte, 1))
		gone <- err
	}()
	for range 2000 { // often enough that the background reader has started
		looked := make(chan error, 1)
		go func() { looked <- checkAlive(t.Context(), conn) }()
		select {
		case err := <-looked:
			if err != nil {
				t.Errorf("a silent connection: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the check waits for the background reader")
		}
	}
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-gone; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the background reader: %v", err)
	}
	if err := checkAlive(t.Context(), conn); !errors.Is(err, driver.ErrBadConn) {
		t.Errorf("a closed connection: %v, want it to be bad", err)
	}
}

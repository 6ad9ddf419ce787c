package postgres_test

import (
	"context"
	"testing"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// A pool can be resized while it is in use, and never has more connections than allowed.
func TestAPoolIsResizedWhileItIsUsed(t *testing.T) {
	db := postgrestest.Open(t, things)
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{2, 5, 1} {
		if err := postgres.Resize(db, postgres.Pool{Conns: size, Life: time.Minute, Idle: time.Second}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range size {
			conn, err := pool.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		soon, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		if conn, err := pool.Conn(soon); err == nil {
			_ = conn.Close()
			t.Errorf("a pool of %d gave one connection more", size)
		}
		stop()
		cancel()
		if open := pool.Stats().OpenConnections; open > size {
			t.Errorf("%d connections are open in a pool of %d", open, size)
		}
		for pool.Stats().InUse > 0 {
			time.Sleep(time.Millisecond) //nolint:forbidigo // a poll; the test's own time-out ends it
		}
	}
}

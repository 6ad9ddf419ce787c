// Package redistest gives tests a real Redis: scripts are only right where they
// run. It uses MALL_TEST_REDIS_ADDR, or starts a private redis-server from PATH.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Open returns a client whose database is empty. Without a Redis the test fails,
// unless -short says that a partial run is meant.
func Open(t *testing.T) *redis.Client {
	t.Helper()
	addr := os.Getenv("MALL_TEST_REDIS_ADDR")
	if addr == "" {
		addr = start(t)
	}
	// Database 9 keeps a shared server's other users out of the way.
	rdb := redis.NewClient(&redis.Options{Addr: addr, DB: 9})
	t.Cleanup(func() { _ = rdb.Close() })
	await(t, rdb)
	if err := rdb.FlushDB(context.Background()).Err(); err != nil {
		t.Fatalf("empty the test database: %v", err)
	}
	return rdb
}

func start(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		if testing.Short() {
			t.Skip("no redis-server in PATH and MALL_TEST_REDIS_ADDR is not set")
		}
		t.Fatal("no redis-server in PATH and MALL_TEST_REDIS_ADDR is not set; -short runs without")
	}
	port := freePort(t)
	cmd := exec.Command(bin, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func freePort(t *testing.T) int {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = lis.Close() }()
	return lis.Addr().(*net.TCPAddr).Port
}

func await(t *testing.T, rdb *redis.Client) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := rdb.Ping(context.Background()).Err()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("redis does not answer: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

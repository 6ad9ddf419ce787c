// Package redistest gives tests a real Redis: scripts are only right where they
// run. It uses MALL_TEST_REDIS_ADDR, or starts a private server: the program that
// MALL_TEST_REDIS_SERVER names, or redis-server from PATH.
package redistest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Addr gives the address of a Redis that answers. Without one the test fails,
// unless -short says that a partial run is meant.
func Addr(t *testing.T) string {
	t.Helper()
	addr := os.Getenv("MALL_TEST_REDIS_ADDR")
	if addr == "" {
		addr = start(t)
	}
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = rdb.Close() }()
	await(t, rdb)
	return addr
}

// Open returns a client whose database is empty.
func Open(t *testing.T) *redis.Client {
	t.Helper()
	addr := Addr(t)
	rdb := redis.NewClient(&redis.Options{Addr: addr, DB: ownDB(t, addr)})
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatalf("empty the test database: %v", err)
	}
	return rdb
}

// ownDB takes turns: packages are tested side by side on one server, and each test empties its database.
func ownDB(t *testing.T, addr string) int {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = rdb.Close() }()
	turn, err := rdb.Incr(t.Context(), "redistest:turn").Result()
	if err != nil {
		t.Fatalf("choose a database: %v", err)
	}
	return 1 + int(turn%15) // of the 16 there are; 0 is for those who count
}

// OpenCluster returns a client of a Redis Cluster of one node, which owns all
// slots and is as strict about them as a large one. It needs a server's program
// and is skipped where only an address was given.
func OpenCluster(t *testing.T) *redis.ClusterClient {
	t.Helper()
	if _, err := program(); err != nil && os.Getenv("MALL_TEST_REDIS_ADDR") != "" {
		t.Skip("a cluster of its own needs redis-server in PATH, or MALL_TEST_REDIS_SERVER")
	}
	addr := start(t, "--cluster-enabled", "yes")
	node := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = node.Close() }()
	await(t, node)
	ctx := t.Context()
	if err := node.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		t.Fatalf("give the node its slots: %v", err)
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{addr}})
	t.Cleanup(func() { _ = rdb.Close() })
	for end := time.Now().Add(10 * time.Second); rdb.Set(ctx, "ready", "1", 0).Err() != nil; time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // a poll with an end
		if time.Now().After(end) {
			t.Fatal("the cluster does not get ready")
		}
	}
	return rdb
}

func program() (string, error) {
	if path := os.Getenv("MALL_TEST_REDIS_SERVER"); path != "" {
		return path, nil
	}
	return exec.LookPath("redis-server")
}

func start(t *testing.T, more ...string) string {
	t.Helper()
	bin, err := program()
	if err != nil {
		if testing.Short() {
			t.Skip("no redis-server in PATH and MALL_TEST_REDIS_ADDR is not set")
		}
		t.Fatal("no redis-server in PATH and MALL_TEST_REDIS_ADDR is not set; -short runs without")
	}
	port := freePort(t)
	args := append([]string{"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, more...)
	cmd := exec.Command(bin, args...) //nolint:noctx // it ends in the test's clean-up, after everything that uses it
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
	for {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		port := lis.Addr().(*net.TCPAddr).Port
		_ = lis.Close()
		if port < 55000 { // a cluster node also takes the port 10,000 above
			return port
		}
	}
}

func await(t *testing.T, rdb *redis.Client) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := rdb.Ping(t.Context()).Err()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("redis does not answer: %v", err)
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // a poll with an end
	}
}

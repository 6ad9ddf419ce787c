// Package redistest gives tests a real Redis, because only Redis shows whether a script is right. It uses
// MALL_TEST_REDIS_ADDR, or starts a private server: the program in MALL_TEST_REDIS_SERVER, or redis-server from PATH.
package redistest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Addr returns the address of a Redis that answers. Without one the test fails; with -short it is skipped.
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

// ownDB chooses a database in turn: packages are tested in parallel on one server, and each test empties its database.
func ownDB(t *testing.T, addr string) int {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = rdb.Close() }()
	turn, err := rdb.Incr(t.Context(), "redistest:turn").Result()
	if err != nil {
		t.Fatalf("choose a database: %v", err)
	}
	return 1 + int(turn%15) // one of the 16; database 0 holds the counter
}

// OpenCluster returns a client of a Redis Cluster of one node, which owns all slots and checks them as strictly as a
// large one. It needs the redis-server program; with only an address the test is skipped.
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
	for end := time.Now().Add(10 * time.Second); rdb.Set(ctx, "ready", "1",
		0).Err() != nil; time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // a poll with an end
		if time.Now().After(end) {
			t.Fatal("the cluster does not get ready")
		}
	}
	return rdb
}

// Server starts a private server with these additional arguments ("--requirepass", "x"); with only an address the test
// is skipped. The server ends with the test; kill ends it earlier, as a crash would.
func Server(t *testing.T, args ...string) (addr string, kill func()) {
	t.Helper()
	if _, err := program(); err != nil && os.Getenv("MALL_TEST_REDIS_ADDR") != "" {
		t.Skip("a server of its own needs redis-server in PATH, or MALL_TEST_REDIS_SERVER")
	}
	return startServer(t, args...)
}

// TLS starts a Redis that serves only TLS. The test is skipped if this build of Redis has no TLS.
func TLS(t *testing.T, certFile, keyFile string) (addr string) {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Skip("a server of its own needs redis-server in PATH, or MALL_TEST_REDIS_SERVER")
	}
	// A build without TLS reports that before it reads the files, Redis and Valkey alike.
	out, _ := exec.CommandContext(t.Context(), bin, "--port", "0", "--tls-port", "1", "--tls-cert-file",
		"none").CombinedOutput()
	if said := string(out); strings.Contains(said, "Failed finding TLS support") ||
		strings.Contains(said, "Bad directive") {
		t.Skipf("%s is a build without TLS", bin)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	port := fmt.Sprint(freePort(t))
	addr = net.JoinHostPort("127.0.0.1", port)
	rdb := redis.NewClient(&redis.Options{Addr: addr,
		TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	t.Cleanup(func() { _ = rdb.Close() })
	run(t, bin, "--port", "0", "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile,
		"--tls-ca-cert-file", certFile,
		"--tls-auth-clients", "no", "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	await(t, rdb)
	return addr
}

// Sentinel starts a sentinel with a configuration file of its own, which the sentinel rewrites.
func Sentinel(t *testing.T, conf string) (addr string, kill func()) {
	t.Helper()
	return Server(t, conf, "--sentinel")
}

// OpenClusterOf starts a cluster of n masters that share the slots, and returns the address of the first.
func OpenClusterOf(t *testing.T, n int) string {
	t.Helper()
	ctx := t.Context()
	var addrs []string
	var nodes []*redis.Client
	for range n {
		addr, _ := Server(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		node := redis.NewClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = node.Close() })
		await(t, node)
		addrs, nodes = append(addrs, addr), append(nodes, node)
	}
	for i, node := range nodes {
		if err := node.ClusterAddSlotsRange(ctx, i*16384/n, (i+1)*16384/n-1).Err(); err != nil {
			t.Fatalf("give node %d its slots: %v", i, err)
		}
		if host, port, _ := net.SplitHostPort(addrs[i]); i > 0 {
			if err := nodes[0].ClusterMeet(ctx, host, port).Err(); err != nil {
				t.Fatalf("meet node %d: %v", i, err)
			}
		}
	}
	for _, node := range nodes {
		poll(t, "the cluster does not get ready", func() bool {
			info, err := node.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_size:%d", n))
		})
	}
	return addrs[0]
}

// poll waits at most 30 s until done returns true.
func poll(t *testing.T, otherwise string, done func() bool) {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	for ; !done(); time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // a poll with an end
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

func program() (string, error) {
	if path := os.Getenv("MALL_TEST_REDIS_SERVER"); path != "" {
		return path, nil
	}
	return exec.LookPath("redis-server")
}

func start(t *testing.T, more ...string) string {
	t.Helper()
	addr, _ := startServer(t, more...)
	return addr
}

func startServer(t *testing.T, more ...string) (addr string, kill func()) {
	t.Helper()
	bin, err := program()
	if err != nil {
		if testing.Short() {
			t.Skip("no redis-server in PATH and MALL_TEST_REDIS_ADDR is not set")
		}
		t.Fatal("no redis-server in PATH and MALL_TEST_REDIS_ADDR is not set; -short runs without")
	}
	port := freePort(t)
	// a configuration file must come first
	args := append(more, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", t.TempDir())
	if !slices.Contains(more, "--sentinel") {
		args = append(args, "--save", "", "--appendonly", "no")
	}
	kill = run(t, bin, args...)
	return fmt.Sprintf("127.0.0.1:%d", port), kill
}

func run(t *testing.T, bin string, args ...string) (kill func()) {
	t.Helper()
	cmd := exec.Command(bin, args...) //nolint:noctx // it ends in the test's clean-up, after everything that uses it
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	return kill
}

// freePort returns a port below those that Linux gives to outgoing connections (from 32768): one of these could be
// taken before the server listens on it.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 12_000 + rand.N(10_000)
		free := true
		for _, needed := range []int{port, port + 10_000} { // a cluster node uses both
			lis, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(needed)))
			if err == nil {
				_ = lis.Close()
				continue
			}
			if free = false; !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("find a free port: %v", err)
			}
		}
		if free {
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

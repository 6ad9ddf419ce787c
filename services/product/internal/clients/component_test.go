package clients

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/freeport"
	"daprmall.dev/services/kit/sidecar"
)

// realGate is the chain between product and its gate as in the mall: a sidecar, the redislua component, and a Redis of
// their own.
type realGate struct {
	redis  *server
	client *sidecar.Client
}

// start starts them, with an empty Redis. It needs the programs in MALL_TEST_DAPRD and MALL_TEST_REDIS_SERVER.
func start(t *testing.T) *realGate {
	t.Helper()
	daprd := program(t, "MALL_TEST_DAPRD", "daprd")
	dir, err := os.MkdirTemp("", "gate") //nolint:usetesting // a test's own folder makes the socket's path too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &realGate{
		redis: &server{program: program(t, "MALL_TEST_REDIS_SERVER", "redis-server"), dir: t.TempDir(), port: freePort(t)},
	}
	r.redis.start(t)
	t.Cleanup(func() { r.redis.kill(t) })

	binary := filepath.Join(dir, "redislua")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = filepath.Join("..", "..", "..", "..", "components", "redislua")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the component: %v\n%s", err, out)
	}
	socket := filepath.Join(dir, "redislua.sock")
	component := exec.Command(binary) //nolint:noctx // it ends in the test's clean-up
	run(t, component, "REDISLUA_SOCKET="+socket, "REDISLUA_REDIS_ADDR="+r.redis.addr())
	await(t, "the component serves", func() error {
		conn, err := net.DialTimeout("unix", socket, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})

	resources := filepath.Join(dir, "resources")
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "components", "local", "redis-lua.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n  name: product\n" +
		"spec:\n  nameResolution:\n    component: sqlite\n" +
		"    version: v1\n    configuration:\n      connectionString: " +
		filepath.Join(dir, "names.db") + "\n"
	for name, text := range map[string]string{
		filepath.Join(resources, "redis-lua.yaml"): string(text), filepath.Join(dir, "config.yaml"): names,
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := config.Env{AppID: "product", DaprHTTPPort: freePort(t), DaprGRPCPort: freePort(t)}
	process := exec.Command(daprd, "--app-id", env.AppID, //nolint:noctx // as above
		"--resources-path", resources, "--config", filepath.Join(dir, "config.yaml"),
		"--dapr-http-port", fmt.Sprint(env.DaprHTTPPort), "--dapr-grpc-port", fmt.Sprint(env.DaprGRPCPort),
		"--dapr-internal-grpc-port", fmt.Sprint(freePort(t)), "--enable-metrics=false",
		"--dapr-listen-addresses", "127.0.0.1", "--dapr-internal-grpc-listen-address", "127.0.0.1", "--log-level", "error")
	run(t, process, "DAPR_COMPONENTS_SOCKETS_FOLDER="+dir, "DAPR_HOST_IP=127.0.0.1", "PATH=/usr/bin:/bin")
	if r.client, err = sidecar.New(env); err != nil {
		t.Fatal(err)
	}
	await(t, "the sidecar has the binding", func() error {
		_, err := NewGate(r.client).RunID(t.Context())
		return err
	})
	return r
}

// program returns the path of a program. Without it the test fails; with -short it is skipped.
func program(t *testing.T, variable, name string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if testing.Short() {
			t.Skipf("needs %s", name)
		}
		t.Fatalf("%s is not set and there is no %s: run the tests with `go run ./deploy/mall test`", variable, name)
	}
	return path
}

// run runs a process until the test ends. If the test fails, the process's output is logged.
func run(t *testing.T, cmd *exec.Cmd, env ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(cmd.Path), said)
		}
		_ = log.Close()
	})
}

func await(t *testing.T, what string, ok func() error) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // polls
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s: %v", what, err)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// server is a Redis that can be killed and started again.
type server struct {
	program, dir string
	port         int
	cmd          *exec.Cmd
}

func (s *server) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *server) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(s.program, "--port", fmt.Sprint(s.port), //nolint:noctx // kill ends it
		"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir)
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	await(t, "Redis answers", func() error {
		answer, err := s.do("PING")
		if err == nil && answer != "+PONG" {
			err = fmt.Errorf("it answers %s", answer)
		}
		return err
	})
}

func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.cmd.Wait()
}

// do sends a command whose arguments need no quotes, and returns the first line of the answer.
func (s *server) do(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.addr(), time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}

func (s *server) must(t *testing.T, command string) {
	t.Helper()
	if answer, err := s.do(command); err != nil || answer != "+OK" {
		t.Fatalf("%s: %s, %v", command, answer, err)
	}
}

var discard = slog.New(slog.DiscardHandler)

type noBroker struct{}

func (noBroker) Publish(context.Context, string, []sidecar.Entry) (map[string]bool, error) {
	return nil, nil
}

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
	"testing"
	"time"

	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/sidecar/sidecartest"
)

const components = "../../../../components"

// realGate is the chain between product and its gate as in the mall: a sidecar, the redislua component, and a Redis of
// their own.
type realGate struct {
	redis  *server
	client *sidecar.Client
}

// start starts them, with an empty Redis. It needs the programs in MALL_TEST_DAPRD and MALL_TEST_REDIS_SERVER.
func start(t *testing.T) *realGate {
	t.Helper()
	dir, err := os.MkdirTemp("", "gate") //nolint:usetesting // a test's own folder makes the socket's path too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &realGate{
		redis: &server{program: sidecartest.Program(t, "MALL_TEST_REDIS_SERVER", "redis-server"), dir: t.TempDir(),
			port: sidecartest.Port(t)},
	}
	r.redis.start(t)
	t.Cleanup(func() { r.redis.kill(t) })

	binary := filepath.Join(dir, "redislua")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = filepath.Join(components, "redislua")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the component: %v\n%s", err, out)
	}
	socket := filepath.Join(dir, "redislua.sock")
	component := exec.Command(binary) //nolint:noctx // it ends in the test's clean-up
	sidecartest.Run(t, component, "REDISLUA_SOCKET="+socket, "REDISLUA_REDIS_ADDR="+r.redis.addr())
	await(t, "the component serves", func() error {
		conn, err := net.DialTimeout("unix", socket, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})

	r.client = sidecartest.Start(t, sidecartest.Sidecar{App: "product", Folder: components,
		Components: []string{"local/redis-lua.yaml"}, Env: []string{"DAPR_COMPONENTS_SOCKETS_FOLDER=" + dir}})
	await(t, "the sidecar has the binding", func() error {
		_, err := NewGate(r.client).RunID(t.Context())
		return err
	})
	return r
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

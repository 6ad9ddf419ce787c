package daprd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/kit/freeport"
)

// A sidecar survives callers that disconnect while it writes their answer, and answers that take longer than its own
// timeout (dapr/dapr#10371, fixed by _dapr/writer.patch). Without the patch it crashed within a second.
func TestASidecarSurvivesAbortedAnswers(t *testing.T) {
	const timeout = 250 * time.Millisecond
	caller := startPair(t, timeout)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 60 {
				// The callers disconnect early, in the middle of the body, around the sidecar's timeout, or not at all.
				patience := time.Duration(5+(worker*60+n)*37%400) * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				_ = drain(ctx, caller.method("slow"))
				cancel()
			}
		})
	}
	wg.Wait()
	if err := drain(t.Context(), caller.method("quick")); err != nil {
		t.Fatalf("after aborted answers: %v", err)
	}
	select {
	case err := <-caller.ended:
		t.Fatalf("the sidecar ended: %v\n%s", err, caller.log())
	default:
	}
}

// A client that stops reading does not keep its request in the sidecar beyond the timeout.
func TestASidecarGivesUpOnClientsThatStopReading(t *testing.T) {
	const timeout = 250 * time.Millisecond
	caller := startPair(t, timeout)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", caller.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // its peer is gone
	if _, err := fmt.Fprintf(conn, "GET /v1.0/invoke/callee/method/big HTTP/1.1\r\nHost: sidecar\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-caller.callee.left: // the request was cancelled at the callee although nobody read its answer
	case <-time.After(30 * time.Second):
		t.Fatal("the answer that nobody reads is still being written")
	}
	if err := drain(t.Context(), caller.method("quick")); err != nil {
		t.Fatal(err)
	}
}

type pair struct {
	address string
	ended   chan error
	logFile string
	callee  *callee
}

func (p *pair) method(name string) string {
	return "http://" + p.address + "/v1.0/invoke/callee/method/" + name
}

func (p *pair) log() string {
	raw, _ := os.ReadFile(p.logFile)
	return string(raw[max(0, len(raw)-4000):])
}

// startPair starts the sidecars of a caller and of a callee with slow answers. The timeout is for calls from the one to
// the other.
func startPair(t *testing.T, timeout time.Duration) *pair {
	t.Helper()
	binary := daprdProgram(t)
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "resources"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("config.yaml", fmt.Sprintf(`{apiVersion: dapr.io/v1alpha1, kind: Configuration, metadata: {name: test}, spec: {
		tracing: {samplingRate: "0"}, nameResolution: {component: sqlite, version: v1, configuration: {
		connectionString: %s, cleanupInterval: "0s", updateInterval: "30s", timeout: "10s", busyTimeout: "15s"}}}}`,
		filepath.Join(dir, "names.db")))
	write("resources/resiliency.yaml",
		fmt.Sprintf(`{apiVersion: dapr.io/v1alpha1, kind: Resiliency, metadata: {name: test},
		spec: {policies: {timeouts: {short: %s}, retries: {never: {policy: constant, duration: 1ms, maxRetries: 0}}},
		targets: {apps: {callee: {timeout: short, retry: never}}}}}`, timeout))
	app := &callee{left: make(chan struct{})}
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	other := start(t, binary, dir, "callee", port)
	p := start(t, binary, dir, "caller", "")
	p.callee = app
	for deadline := time.Now().Add(time.Minute); ; {
		err := drain(t.Context(), p.method("quick"))
		if err == nil {
			return p
		}
		select {
		case ended := <-p.ended:
			t.Fatalf("the sidecar ended: %v\n%s", ended, p.log())
		case ended := <-other.ended:
			t.Fatalf("the callee's sidecar ended: %v\n%s", ended, other.log())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the sidecars do not find each other: %v\n%s\n%s", err, p.log(), other.log())
		}
	}
}

func daprdProgram(t testing.TB) string {
	t.Helper()
	binary := os.Getenv("MALL_TEST_DAPRD")
	if binary == "" && testing.Short() {
		t.Skip("needs a sidecar: go run ./deploy/mall test ./deploy/daprd/...")
	}
	if binary == "" {
		t.Fatal("MALL_TEST_DAPRD is not set: run this with `go run ./deploy/mall test ./deploy/daprd/...`")
	}
	return binary
}

func start(t testing.TB, binary, dir, id, appPort string) *pair {
	t.Helper()
	ports := freePorts(t, 4)
	p := &pair{address: net.JoinHostPort("127.0.0.1", ports[0]), ended: make(chan error, 1),
		logFile: filepath.Join(dir, id+".log")}
	logFile, err := os.Create(p.logFile)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--app-id", id, "--dapr-http-port", ports[0], "--dapr-grpc-port", ports[1],
		"--dapr-internal-grpc-port", ports[2], "--metrics-port", ports[3],
		"--dapr-listen-addresses", "127.0.0.1", "--dapr-internal-grpc-listen-address", "127.0.0.1",
		"--metrics-listen-address", "127.0.0.1", "--log-level", "warn",
		"--config", filepath.Join(dir, "config.yaml"), "--resources-path", filepath.Join(dir, "resources")}
	if appPort != "" {
		args = append(args, "--app-port", appPort, "--app-channel-address", "127.0.0.1")
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "DAPR_HOST_IP=127.0.0.1"}
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		p.ended <- cmd.Wait()
		close(over)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-over
		_ = logFile.Close()
	})
	return p
}

func freePorts(t testing.TB, n int) []string {
	t.Helper()
	var ports []string
	for len(ports) < n {
		port, err := freeport.Find()
		if err != nil {
			t.Fatal(err)
		}
		if text := strconv.Itoa(port); !slices.Contains(ports, text) {
			ports = append(ports, text)
		}
	}
	return ports
}

// callee answers in many pieces ("slow"), with more data than all buffers hold ("big"), or at once.
type callee struct {
	once sync.Once
	left chan struct{} // closed when the callee has given up writing a big answer
}

func (c *callee) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	piece := make([]byte, 4<<10)
	switch r.URL.Path {
	case "/slow":
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range 300 {
			if _, err := w.Write(piece); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			<-tick.C
		}
	case "/big":
		for range 50_000 {
			if _, err := w.Write(piece); err != nil {
				c.once.Do(func() { close(c.left) })
				return
			}
		}
	default:
		_, _ = io.WriteString(w, "ok")
	}
}

// drain sends a request and reads the whole answer.
func drain(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if res.StatusCode >= 300 {
		err = errors.Join(err, fmt.Errorf("answered %d", res.StatusCode))
	}
	return errors.Join(err, res.Body.Close())
}

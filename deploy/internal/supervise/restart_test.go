package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"daprmall.dev/services/kit/freeport"
	"daprmall.dev/services/kit/handover"
	"daprmall.dev/services/kit/web"
)

// serveAt is the environment variable that turns this test program into the server that the tests restart.
const serveAt = "SUPERVISE_TEST_ADDR"

func TestMain(m *testing.M) {
	if addr := os.Getenv(serveAt); addr != "" {
		if err := serve(addr); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve answers with its pid until SIGTERM. A file "broken" in its directory makes it fail before it listens.
func serve(addr string) error {
	if _, err := os.Stat("broken"); err == nil {
		return fmt.Errorf("broken")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ports, err := handover.Open()
	if err != nil {
		return err
	}
	l, err := ports.Listen(addr)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	srv := web.NewHTTPServer(log, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, os.Getpid())
	}))
	return web.Serve(ctx, log, srv, l, ports.Ready)
}

func server(t *testing.T, handover time.Duration) (s *Supervisor, dir, url string) {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	addr := "127.0.0.1:" + strconv.Itoa(port)
	s = New(dir, t.Logf)
	s.Start(Spec{Name: "server", Kind: "app", Path: os.Args[0], Dir: dir, Env: []string{serveAt + "=" + addr},
		Log: filepath.Join(dir, "log"), Stop: syscall.SIGTERM, Orphan: syscall.SIGKILL, Patience: 10 * time.Second,
		Handover: handover})
	t.Cleanup(func() { s.StopAll() })
	until(t, "the first start", func() bool { _, err := get("http://" + addr); return err == nil })
	return s, dir, "http://" + addr
}

func get(url string) (pid string, err error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	_, err = fmt.Fscan(res.Body, &pid)
	return pid, err
}

// A restart on request loses no request, does not count as a crash, and can be repeated at once.
func TestARestartLosesNoRequest(t *testing.T) {
	s, _, url := server(t, 10*time.Second)
	first, err := get(url)
	if err != nil {
		t.Fatal(err)
	}
	restarts := make(chan error)
	go func() {
		defer close(restarts)
		for range 3 {
			restarts <- s.Restart(t.Context(), "server")
		}
	}()
	for n, going := 0, true; going; n++ {
		if _, err := get(url); err != nil {
			t.Errorf("request %d: %v", n, err)
		}
		select {
		case err, more := <-restarts:
			if going = more; err != nil {
				t.Error(err)
			}
		default:
		}
	}
	last, err := get(url)
	if err != nil || last == first {
		t.Errorf("pid %s answers, %v; was %s", last, err, first)
	}
	st := s.Status()[0]
	if st.Restarts != 0 || st.State != Running || strconv.Itoa(st.PID) != last {
		t.Errorf("status %+v, want %s running and no crash", st, last)
	}
}

// A new process that does not start must not end the old one.
func TestTheOldProcessKeepsRunningIfTheNewOneFails(t *testing.T) {
	s, dir, url := server(t, 10*time.Second)
	before, err := get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context(), "server"); err == nil || !strings.Contains(err.Error(), "the old one keeps running") {
		t.Errorf("restart with a broken program: %v", err)
	}
	if after, err := get(url); err != nil || after != before {
		t.Errorf("pid %s answers, %v; was %s", after, err, before)
	}
	records, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
	if len(records) != 1 || filepath.Base(records[0]) != "server.pid" {
		t.Errorf("records %v", records)
	}
}

// A process that cannot hand over its sockets is ended first and then started at once; this does not count as a crash.
func TestARestartWithoutHandoverIsNoCrash(t *testing.T) {
	s, _, url := server(t, 0)
	before, err := get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context(), "server"); err != nil {
		t.Fatal(err)
	}
	until(t, "the new server", func() bool { pid, err := get(url); return err == nil && pid != before })
	if st := s.Status()[0]; st.Restarts != 0 {
		t.Errorf("counted as %d crashes", st.Restarts)
	}
	if err := s.Restart(t.Context(), "nobody"); err == nil {
		t.Error("restarted a process that does not exist")
	}
}

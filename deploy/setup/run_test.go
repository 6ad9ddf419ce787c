package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/operate"
)

// TestMain lets the test program be this program.
func TestMain(m *testing.M) {
	if os.Getenv("SETUP_TEST_RUN") != "" {
		operate.Main(commands())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func self(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = []string{"SETUP_TEST_RUN=1", "GIVEN=yes"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// A program gets the variables of its file besides those of its container.
func TestRunGivesAProgramItsVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, environment(map[string]string{"TOKEN": "secret", "B": "2"}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := self(t, "run", "--env-file", file, "--", "/bin/sh", "-c", "echo $GIVEN $TOKEN $B --flag")
	if err != nil || out != "yes secret 2 --flag\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := self(t, "run", "--env-file", file+"x", "--", "/bin/true"); err == nil {
		t.Errorf("a missing file was accepted: %s", out)
	}
}

func TestRunWaitsForASocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test ends
	if out, err := self(t, "run", "--wait-socket", socket, "--", "/bin/echo", "on"); err != nil || out != "on\n" {
		t.Errorf("%q, %v", out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := waitSocket(ctx, socket+"x"); err == nil {
		t.Error("waited for no socket")
	}
}

// The exit status is what Docker's engine reads.
func TestHealthyIsAnExitStatus(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.Error(w, "the database is away", http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	for address, want := range map[string]string{
		srv.URL + "/readyz": "",
		srv.URL + "/x":      "the database is away",
		"tcp://" + strings.TrimPrefix(srv.URL, "http://"): "",
		"tcp://127.0.0.1:1": "refused",
		"unix:///x/y":       "no such file",
		"ftp://x":           "cannot ask",
	} {
		out, err := self(t, "healthy", address)
		if (err == nil) != (want == "") || !strings.Contains(out, want) {
			t.Errorf("%s: %q, %v, want %q", address, out, err, want)
		}
	}
}

// A pod passes on the metrics of its app and nothing else, whatever path is asked for.
func TestAPodPassesOnMetricsOnly(t *testing.T) {
	var asked []string
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		_, _ = w.Write([]byte("mall_up 1\n"))
	}))
	defer app.Close()
	page, err := url.Parse(app.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	h := metricsOf(page)
	for path, want := range map[string]int{"/metrics?x=1": http.StatusOK, "/orders": http.StatusNotFound,
		"/metrics/../orders": http.StatusTemporaryRedirect} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		if rec.Code/100 != want/100 {
			t.Errorf("GET %s: %d, want %d", path, rec.Code, want)
		}
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/metrics", http.NoBody))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics: %d", rec.Code)
	}
	if len(asked) != 1 || asked[0] != "/metrics" {
		t.Errorf("the app was asked %v", asked)
	}
}

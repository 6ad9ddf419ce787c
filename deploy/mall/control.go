package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/layout"
)

// listen serves the supervisor's controls on a Unix socket that only its owner can open.
func listen(m *mall, end func()) (io.Closer, error) {
	if err := os.Remove(m.at.Control()); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.Listen("unix", m.at.Control())
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(m.sup.Status())
	})
	act := func(do func(ctx context.Context, name string) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := do(r.Context(), r.PathValue("name")); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
			}
		}
	}
	mux.HandleFunc("POST /kill/{name}", act(func(_ context.Context, name string) error { return m.sup.Kill(name) }))
	mux.HandleFunc("POST /restart/{name}", act(m.restart))
	mux.HandleFunc("POST /down", func(http.ResponseWriter, *http.Request) { end() })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }()
	return srv, nil
}

// errDown means that no supervisor runs.
var errDown = errors.New("this mall is not running")

// ask talks to the supervisor.
func ask(ctx context.Context, at layout.Layout, method, path string) ([]byte, error) {
	within := 30 * time.Second
	if strings.HasPrefix(path, "/restart/") {
		within = 10 * time.Minute // the answer comes when everything is ready again
	}
	client := &http.Client{Timeout: within, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", at.Control())
		}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://mall"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return nil, errDown
		}
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(body)))
	}
	return body, nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/runfile"
	"daprmall.dev/deploy/internal/steps"
)

// waitReady returns when every one of these apps and its sidecar says that it can work. An app that
// keeps dying ends the wait early, with its last words.
func (m *mall) waitReady(ctx context.Context, apps []runfile.App, note func(string, ...any)) error {
	ctx, cancel := context.WithTimeout(ctx, m.o.patience)
	defer cancel()
	client := &http.Client{Timeout: 3 * time.Second}
	waiting, before := map[string]runfile.App{}, map[string]int{}
	for _, a := range apps {
		waiting[a.Name()] = a
		for _, process := range processesOf(a) {
			before[process] = m.sup.Restarts(process)
		}
	}
	for {
		var why []string
		for name, a := range waiting {
			reason := m.notReady(ctx, client, a)
			if reason == "" {
				delete(waiting, name)
				continue
			}
			why = append(why, name+" ("+reason+")")
			for _, process := range processesOf(a) {
				if m.sup.Restarts(process)-before[process] >= 5 {
					return fmt.Errorf("%s keeps dying. %s", process, m.lastWords(process))
				}
			}
		}
		if len(waiting) == 0 {
			note("apps and sidecars: %d each", len(apps))
			return nil
		}
		note("waiting for %s", strings.Join(why, ", "))
		select {
		case <-ctx.Done():
			var last []string
			for name := range waiting {
				last = append(last, m.lastWords(name), m.lastWords(name+"-daprd"))
			}
			return fmt.Errorf("not ready after %v: %s\n%s", m.o.patience, strings.Join(why, ", "), strings.Join(last, "\n"))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// processesOf are those that make one app.
func processesOf(a runfile.App) []string {
	return []string{a.Name(), a.Name() + "-daprd", a.Name() + "-" + luaProgram}
}

// notReady is empty when both the app and its sidecar are ready, else the reason.
func (m *mall) notReady(ctx context.Context, client *http.Client, a runfile.App) string {
	if reason := m.probe(ctx, client, fmt.Sprintf("http://127.0.0.1:%d/readyz", a.Port), ""); reason != "" {
		return reason
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/v1.0/healthz", a.DaprHTTP)
	if reason := m.probe(ctx, client, url, m.own.DaprTokens[a.ID]); reason != "" {
		return "sidecar: " + reason
	}
	// A sidecar that could not register its name works, but no other finds it.
	peer := m.peerOf(a)
	url = fmt.Sprintf("http://127.0.0.1:%d/v1.0/invoke/%s/method%s", peer.DaprHTTP, a.ID, a.HealthPath)
	reason := m.probe(ctx, client, url, m.own.DaprTokens[peer.ID])
	if reason != "" && !(m.sentry != nil && strings.Contains(reason, refusedByList)) {
		return "not reachable from " + peer.Name() + ": " + reason
	}
	return ""
}

// peerOf is the next app: together they prove that everybody can call and be called.
func (m *mall) peerOf(a runfile.App) runfile.App {
	for i, b := range m.apps {
		if b.Name() == a.Name() {
			return m.apps[(i+1)%len(m.apps)]
		}
	}
	return a
}

func (m *mall) probe(ctx context.Context, client *http.Client, url, token string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	if token != "" {
		req.Header.Set("dapr-api-token", token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "not listening"
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 400))
	if resp.StatusCode/100 == 2 {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, strings.Join(strings.Fields(string(body)), " ")))
}

// lastWords are the end of a process's log.
func (m *mall) lastWords(name string) string {
	raw, err := os.ReadFile(m.at.Log(name))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return fmt.Sprintf("Last lines of %s:\n    %s", m.at.Log(name), strings.Join(lines[max(0, len(lines)-12):], "\n    "))
}

// seeds reports whether demo data are to be loaded: into a whole mall, unless MALL_SEED=none.
func (m *mall) seeds() bool {
	return len(m.o.only) == 0 && os.Getenv("MALL_SEED") != "none" && hasMain(filepath.Join(m.at.Root, "deploy", "seed"))
}

// seed loads demo data into an empty mall; the program itself looks whether it is
// empty, and says which accounts there are.
func (m *mall) seed(ctx context.Context) error {
	if !m.seeds() {
		return nil
	}
	var words []byte
	err := m.board.Do(ctx, "demo data", func(s *steps.Step) error {
		file, err := os.CreateTemp(m.at.Run(), "seed-")
		if err != nil {
			return err
		}
		defer os.Remove(file.Name()) //nolint:errcheck // read below
		defer file.Close()           //nolint:errcheck // read below
		if err := runTool(ctx, m.at, "seed", nil, file); err != nil {
			words, _ = os.ReadFile(file.Name())
			return fmt.Errorf("%w\n%s", err, words)
		}
		words, err = os.ReadFile(file.Name())
		return err
	})
	if err == nil && len(words) > 0 {
		m.board.Say("\n%s", strings.TrimRight(string(words), "\n"))
	}
	return err
}

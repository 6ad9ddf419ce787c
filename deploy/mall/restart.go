package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/runfile"
	"daprmall.dev/deploy/internal/sentry"
)

// restart restarts a service, built anew, or another process, or the whole mall, and returns when it is ready again.
func restart(ctx context.Context, at layout.Layout, args []string) error {
	if len(args) == 0 {
		return restartAll(ctx, at)
	}
	began := time.Now()
	apps, err := runfile.Read(filepath.Join(at.Root, "dapr.yaml"))
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(apps, func(a runfile.App) bool { return a.ID == args[0] }); i >= 0 {
		if err := rebuild(ctx, at, apps[i]); err != nil {
			return err
		}
	}
	built := time.Now()
	if _, err = ask(ctx, at, http.MethodPost, "/restart/"+url.PathEscape(args[0])); err != nil {
		return err
	}
	fmt.Printf("%s is ready again (built in %.1f s, restarted in %.1f s).\n",
		args[0], built.Sub(began).Seconds(), time.Since(built).Seconds())
	return nil
}

// rebuild compiles a service. What does not compile changes nothing.
func rebuild(ctx context.Context, at layout.Layout, apps ...runfile.App) error {
	dirs, err := programs(at, apps, nil)
	if err != nil {
		return err
	}
	if out, err := goBuild(ctx, at, dirs, nil); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func restartAll(ctx context.Context, at layout.Layout) error {
	s, err := readState(at)
	if err != nil {
		return err
	}
	o, err := parseOptions(append(s.Up, "--detach"))
	if err != nil {
		return err
	}
	if err := down(ctx, at, false); err != nil {
		return err
	}
	return up(ctx, at, o)
}

// restart restarts a process, or those of a service one after the other, and returns when the mall's own probes find it
// ready.
func (m *mall) restart(ctx context.Context, name string) error {
	var names []string
	for _, a := range m.apps {
		if a.ID == name {
			names = append(names, a.Name())
		}
	}
	if len(names) == 0 {
		names = []string{name}
	}
	for _, name := range names {
		began := time.Now()
		if err := m.sup.Restart(ctx, name); err != nil {
			return fmt.Errorf("%w. %s", err, m.lastWords(name))
		}
		if name == "redis" { // whose absence no app's probe sees
			if err := redis.Wait(ctx, m.redis, m.store.RedisPassword()); err != nil {
				return err
			}
		}
		if name == sentry.Name { // without which running sidecars do well
			if err := waitSentry(ctx, m.sentry); err != nil {
				return err
			}
		}
		if err := m.waitReady(ctx, m.affected(name), func(string, ...any) {}); err != nil {
			return err
		}
		m.board.Say("%s %s restarted on request in %.1f s", time.Now().Format(time.TimeOnly), name,
			time.Since(began).Seconds())
	}
	return nil
}

// affected are the apps that a process is a part of; a database is of all.
func (m *mall) affected(process string) []runfile.App {
	for i, a := range m.apps {
		if slices.Contains(processesOf(a), process) {
			return m.apps[i : i+1]
		}
	}
	return m.apps
}

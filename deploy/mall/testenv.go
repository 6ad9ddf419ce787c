package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/pgbouncer"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/deploy/internal/supervise"
	"daprmall.dev/services/kit/freeport"
)

// testServices are the servers of a test run, with the environment that names them.
type testServices struct {
	at  layout.Layout
	sup *supervise.Supervisor
	env []string
}

// withServers runs work next to a PostgreSQL and a Redis for tests, which go away with it.
func (t *tests) withServers(ctx context.Context, work func(testServices) error) error {
	at := t.at
	at.Home = filepath.Join(t.at.Home, "test")
	at.Sockets = filepath.Join(at.Home, "sock")
	if err := at.Make(); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(at.Run(), "lock"))
	if err != nil {
		return fmt.Errorf("%w (another test run uses it; set MALL_HOME)", err)
	}
	defer unlock()
	if err := clean(at, os.Stdout); err != nil {
		return err
	}
	sup := supervise.New(at.Run(), func(format string, args ...any) { t.board.Say("  "+format, args...) })
	defer sup.StopAll()
	var env []string
	err = t.board.Do(ctx, "servers", func(s *steps.Step) (err error) {
		env, err = testServers(ctx, at, sup, t.machine(at, s), s)
		return err
	})
	if err != nil {
		return err
	}
	return work(testServices{at, sup, append(without(os.Environ(), "MALL_HOME", "MALL_PORT_BASE"), env...)})
}

// shell runs a command, or a shell, in whose environment plain go test finds the servers.
func (t *tests) shell(env, command []string) error {
	if len(command) == 0 {
		fmt.Println("  a shell in which plain go test finds its servers; they stop when it ends")
		command = []string{cmp.Or(os.Getenv("SHELL"), "/bin/sh")}
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exitCode(max(1, exit.ExitCode()))
	}
	return err
}

// unit runs the tests of packages (all, if none are named) next to servers of their own.
func (t *tests) unit(ctx context.Context, packages, flags []string) {
	err := t.withServers(ctx, func(s testServices) error {
		t.packages(ctx, s, packages, flags)
		return nil
	})
	if err != nil {
		t.fail("test servers", err)
	}
}

// packages runs their tests, and some once more through PgBouncer.
func (t *tests) packages(ctx context.Context, s testServices, packages, flags []string) {
	if len(packages) == 0 {
		packages = t.patterns()
	}
	args := []string{"-shuffle=on", "-timeout=15m"}
	if slices.ContainsFunc(flags, func(f string) bool { return strings.TrimLeft(f, "-") == "race=false" }) {
		// asked for
	} else if raceWorks(ctx) {
		args = append(args, "-race")
	} else {
		t.board.Say("  ! without the race detector: it needs a C compiler")
	}
	if !t.pooled {
		t.gotest(ctx, "", append(append(args, flags...), packages...), s.env)
	}
	if whole := len(flags) == 0 && len(packages) == len(t.patterns()); whole && !t.short && !t.pooled {
		packages = pooledPackages
	} else if !t.pooled {
		return
	}
	url, left := "", false
	err := t.board.Do(ctx, "pgbouncer", func(step *steps.Step) (err error) {
		url, err = pgBouncer(ctx, s.at, s.sup, t.machine(s.at, step), s.env)
		if err != nil && !t.pooled {
			left = true
			step.LeaveOut("%v", err)
			return nil
		}
		return err
	})
	if err != nil {
		t.fail("pgbouncer", err)
	}
	if err != nil || left {
		return
	}
	fmt.Println("  through PgBouncer, in transaction mode")
	t.gotest(ctx, "", append(append(args, flags...), packages...), append(s.env, "MALL_TEST_PGBOUNCER_URL="+url))
}

func (t *tests) machine(at layout.Layout, s *steps.Step) source.Machine {
	return source.Machine{Cache: at.Cache, Install: t.install, Report: s}
}

// pooledPackages are tested through PgBouncer as well: between them they use all that needs a session or a lock.
var pooledPackages = []string{"./services/kit/ids/lease", "./services/kit/postgres", "./services/kit/idempotency",
	"./services/kit/outbox",
	"./services/order/internal/store"}

// pgBouncer starts one in front of the PostgreSQL of the tests and returns its DSN.
func pgBouncer(ctx context.Context, at layout.Layout, sup *supervise.Supervisor, m source.Machine,
	env []string) (string, error) {
	user, err := source.Unprivileged()
	if err != nil {
		return "", err
	}
	found, err := source.PgBouncer(ctx, m)
	if err != nil {
		return "", err
	}
	port, err := freeport.Find()
	if err != nil {
		return "", err
	}
	i := pgbouncer.Instance{Binary: found.Path, Dir: user.DataDir(at.Home, "pgbouncer", layout.Hash(at.Home)), Port: port,
		User: user}
	for _, e := range env {
		if dsn, ok := strings.CutPrefix(e, "MALL_TEST_POSTGRES_URL="); ok {
			i.Server = dsn
		}
	}
	if err := i.Prepare(); err != nil {
		return "", err
	}
	sup.Start(i.Spec("pgbouncer", at.Log("pgbouncer")))
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return i.URL(), i.Wait(ctx)
}

// testServers starts both servers and returns the environment that names them.
func testServers(ctx context.Context, at layout.Layout, sup *supervise.Supervisor, m source.Machine,
	s *steps.Step) ([]string, error) {
	user, err := source.Unprivileged()
	if err != nil {
		return nil, err
	}
	hash := layout.Hash(at.Home)
	dir := filepath.Join(user.DataDir(at.Home, "postgres", hash), "data")
	sayOutside(at, dir, s)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	const password = "only-for-tests"
	env := environ{list: []string{"MALL_CACHE=" + at.Cache}}
	err = steps.Go(ctx, func(ctx context.Context) error {
		found, err := source.Postgres(ctx, m, 0)
		if err != nil {
			return err
		}
		port, err := freeport.Find()
		if err != nil {
			return err
		}
		i := postgres.Instance{Bin: found.Path, Version: found.Version, Dir: dir, Port: port, Password: password, User: user,
			Unsafe: true}
		if err := i.Prepare(ctx); err != nil {
			return err
		}
		sup.Start(i.Spec("postgres", at.Log("postgres")))
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return postgres.Wait(ctx, env.set("MALL_TEST_POSTGRES_URL", i.URL()))
	}, func(ctx context.Context) error {
		found, err := source.Redis(ctx, m)
		if err != nil {
			return err
		}
		port, err := freeport.Find()
		if err != nil {
			return err
		}
		data := user.DataDir(at.Home, "redis", hash)
		if err := os.RemoveAll(data); err != nil {
			return err
		}
		i := redis.Instance{Binary: found.Path, Dir: data, Port: port, User: user}
		if err := i.Prepare(); err != nil {
			return err
		}
		sup.Start(i.Spec("redis", at.Log("redis")))
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		env.set("MALL_TEST_REDIS_PASSWORD", "")
		env.set("MALL_TEST_REDIS_SERVER", found.Path)
		return redis.Wait(ctx, env.set("MALL_TEST_REDIS_ADDR", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))), "")
	}, func(ctx context.Context) error {
		path, err := sidecar(ctx, at, s)
		env.set("MALL_TEST_DAPRD", path)
		return err
	})
	s.Note("PostgreSQL, Redis and daprd for tests")
	return env.list, err
}

// environ collects variables from steps that run side by side.
type environ struct {
	mu   sync.Mutex
	list []string
}

func (e *environ) set(name, value string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, name+"="+value)
	return value
}

// raceWorks reports whether the race detector can be used: on most systems it needs cgo.
func raceWorks(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "go", "env", "CGO_ENABLED", "CC").Output()
	if err != nil {
		return false
	}
	enabled, cc, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if fields := strings.Fields(cc); len(fields) > 0 {
		_, err = exec.LookPath(fields[0])
	}
	return enabled == "1" && err == nil
}

// without leaves out variables: a test must not reach the mall that runs beside it.
func without(env []string, names ...string) []string {
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if !slices.Contains(names, name) {
			out = append(out, e)
		}
	}
	return out
}

// endToEndArgs are the arguments of go test. A result is never taken from go's cache: it cannot know that the services,
// which are not part of the test program, have changed.
func endToEndArgs(flags []string) []string {
	return append(append([]string{"-tags", "e2e", "-timeout=30m", "-count=1"}, flags...), "./deploy/e2e/...")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/proc"
	"daprmall.dev/deploy/internal/runfile"
	"daprmall.dev/deploy/internal/supervise"
)

// supervisorName is the supervisor's own pid record; it is no process to be ended as a leftover.
const supervisorName = "supervisor"

// up starts the mall here, until Ctrl-C, or leaves it to a supervisor of its own.
func up(ctx context.Context, at layout.Layout, o options) error {
	wanted, err := plan(at, o)
	if err != nil {
		return err
	}
	if r, err := proc.Read(at.Run(), supervisorName); err == nil && r.Alive() {
		return runsAlready(ctx, at, r.PID, wanted)
	}
	if !o.install && askable() {
		if o.install, err = mayInstall(os.Stdin, os.Stdout, needsPackages(ctx, at)); err != nil {
			return err
		}
	}
	if o.detach {
		return detach(ctx, at, o)
	}
	return keep(ctx, at, o, os.Stdout, func(error) {})
}

// runsAlready prints that nothing was done. A process that was asked for and does not run is an error.
func runsAlready(ctx context.Context, at layout.Layout, pid int, wanted []runfile.App) error {
	fmt.Printf("This mall is running already (supervisor pid %d): nothing was started or stopped.\n\n", pid)
	list, err := processList(ctx, at)
	if err != nil {
		return err
	}
	printTable(os.Stdout, list)
	if missing := notRunning(list, wanted); len(missing) > 0 {
		return fmt.Errorf("not running: %s. To start them, first stop the mall: go run ./deploy/mall down",
			strings.Join(missing, ", "))
	}
	return nil
}

// notRunning names the apps that a mall does not have.
func notRunning(list []supervise.Status, wanted []runfile.App) (missing []string) {
	for _, a := range wanted {
		if !slices.ContainsFunc(list, func(s supervise.Status) bool { return s.Name == a.Name() }) {
			missing = append(missing, a.Name())
		}
	}
	return missing
}

// keep runs a mall from its start to its end. It reports once how the start went.
func keep(ctx context.Context, at layout.Layout, o options, out io.Writer, started func(error)) error {
	err := func() error {
		if err := at.Make(); err != nil {
			return err
		}
		unlock, err := lock(filepath.Join(at.Run(), "lock"))
		if err != nil {
			return err
		}
		defer unlock()
		if err := errors.Join(clean(at, out), at.Make()); err != nil {
			return err
		}
		if err := proc.Self(supervisorName).Write(at.Run()); err != nil {
			return err
		}
		defer proc.Remove(at.Run(), supervisorName)
		ctx, end := context.WithCancel(ctx)
		defer end()
		go rotate(ctx, at)
		go watchHome(ctx, at, time.Second, func() {
			fmt.Fprintf(out, "%s was deleted: this mall stops\n", at.Home)
			end()
		})
		m, err := newMall(ctx, at, o, out)
		if err != nil {
			return err
		}
		control, err := listen(m, end)
		if err != nil {
			return err
		}
		defer control.Close() //nolint:errcheck // its socket file goes with it
		return m.live(ctx, started)
	}()
	// After a good start this is too late to be heard, and not meant to be.
	started(err)
	return err
}

func (m *mall) live(ctx context.Context, started func(error)) error {
	err := m.start(ctx)
	switch {
	case err == nil:
		m.welcome(ctx)
		m.board.SayChanges()
		started(nil)
		if m.redis != "" {
			go m.guardSettings(ctx)
		}
		<-ctx.Done()
		m.board.Say("stopping …")
	case ctx.Err() != nil:
		m.board.Say("stopped while starting")
	default:
		m.board.Say("\nThe mall did not start: %v\n", err)
	}
	began := time.Now()
	m.stop()
	m.board.SayChanges()
	m.board.Say("everything has stopped (%.1f s)", time.Since(began).Seconds())
	if err != nil && ctx.Err() == nil {
		return exitCode(1)
	}
	return nil
}

// welcome prints the addresses, and what to do next.
func (m *mall) welcome(ctx context.Context) {
	say := m.board.Say
	say("\nThe mall is up after %s.\n", m.board.Elapsed())
	printTable(m.out, m.sup.Status())
	say("")
	for _, a := range m.apps {
		if a.ID == "api-gateway" && a.Replica == 1 {
			say("  shop   http://127.0.0.1:%d", a.Port)
			say("  API    http://127.0.0.1:%d/docs", a.Port)
		}
	}
	if m.hasNoAdmin(ctx) {
		say("  admin  nobody yet: go run ./deploy/mall first-admin prints the secret that makes one")
	}
	say("  logs   %s", filepath.Join(m.at.Home, "log"))
	say("  next   go run ./deploy/mall status | logs <process> -f | kill <process> | doctor")
	say("  stop   go run ./deploy/mall down (--purge also deletes the data), or Ctrl-C where up runs in a terminal")
}

// detach leaves the mall to a supervisor in a session of its own, and watches it until
// the mall is ready.
func detach(ctx context.Context, at layout.Layout, o options) error {
	if err := at.Make(); err != nil {
		return err
	}
	// A copy: what `go run` built is deleted when we end.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := copyProgram(self, at.Bin("mall")); err != nil {
		return err
	}
	log, err := os.OpenFile(at.Log(supervisorName), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the supervisor writes to it
	outcome := filepath.Join(at.Run(), "outcome")
	if err := os.Remove(outcome); err != nil && !os.IsNotExist(err) {
		return err
	}
	cmd := exec.Command(at.Bin("mall"), append([]string{"supervise"}, o.args()...)...)
	cmd.Dir = at.Root
	cmd.Env = append(os.Environ(), "MALL_HOME="+at.Home, fmt.Sprintf("MALL_PORT_BASE=%d", at.Base), "MALL_CACHE="+at.Cache)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log tells why
		close(exited)
	}()
	show, err := os.Open(at.Log(supervisorName))
	if err != nil {
		return err
	}
	defer show.Close() //nolint:errcheck // read only
	for {
		_, _ = io.Copy(os.Stdout, show)
		select {
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-exited
			_, _ = io.Copy(os.Stdout, show)
			return exitCode(130)
		case <-exited:
			_, _ = io.Copy(os.Stdout, show)
			return exitCode(1)
		case <-time.After(100 * time.Millisecond):
		}
		if _, err := os.Stat(outcome); err == nil {
			_, _ = io.Copy(os.Stdout, show)
			return nil
		}
	}
}

// superviseDetached is what a detached supervisor runs.
func superviseDetached(ctx context.Context, at layout.Layout, o options) error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	return keep(ctx, at, o, os.Stdout, func(err error) {
		if err == nil {
			_ = os.WriteFile(filepath.Join(at.Run(), "outcome"), []byte("ready\n"), 0o600)
		}
	})
}

// lock keeps a second program of the same kind out of a home. The kernel releases it with the process.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s is in use by another process", path)
	}
	return func() { _ = f.Close() }, nil
}

// watchHome calls gone when the home, or what this supervisor wrote down there, was deleted: nobody could find its
// processes any more to end them.
func watchHome(ctx context.Context, at layout.Layout, every time.Duration, gone func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		if r, err := proc.Read(at.Run(), supervisorName); err == nil && r.PID != os.Getpid() {
			gone()
			return
		}
	}
}

// rotate keeps logs from growing for ever, with one old copy each. The writers append,
// so a file can be emptied under them; what is written in that moment is lost.
func rotate(ctx context.Context, at layout.Layout) {
	const large = 20 << 20
	for ctx.Err() == nil {
		files, _ := filepath.Glob(at.Log("*"))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil && info.Size() > large {
				if raw, err := os.ReadFile(f); err == nil && os.WriteFile(f+".1", raw, 0o600) == nil {
					_ = os.Truncate(f, 0)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
	}
}

func copyProgram(from, to string) error {
	if from == to {
		return nil
	}
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	// A running program's file cannot be written to, only replaced.
	if err := os.WriteFile(to+".new", raw, 0o700); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
}

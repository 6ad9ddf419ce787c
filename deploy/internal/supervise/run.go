package supervise

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/proc"
	"daprmall.dev/services/kit/handover"
)

// run is one life of a process.
type run struct {
	record proc.Record
	began  time.Time
	conn   *net.UnixConn // to the process, if it can hand over its sockets
	ready  chan struct{} // closed when the process reports that it listens
	ended  chan struct{} // closed when it is gone
	err    error         // how it ended, once it has
}

// launch starts a process, which inherits sockets, and writes it down under a name.
func (s *Supervisor) launch(ctx context.Context, p *process, name string, sockets ...int) (*run, error) {
	if p.spec.Before != nil {
		if err := p.spec.Before(ctx); err != nil {
			return nil, err
		}
	}
	log, err := os.OpenFile(p.spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child writes to it, not we
	cmd := exec.Command(p.spec.Path, p.spec.Args...)
	cmd.Dir, cmd.Env = p.spec.Dir, p.spec.Env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.spec.User}
	if p.spec.HoldInput { // Wait closes it
		if _, err := cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	r := &run{began: time.Now(), ready: make(chan struct{}), ended: make(chan struct{})}
	dead := make(chan struct{})
	listens := func() {}
	if p.spec.Handover > 0 {
		mine, its, err := handover.Pair()
		if err != nil {
			return nil, err
		}
		defer its.Close() //nolint:errcheck // the process has its own
		if err := handover.Send(mine, sockets); err != nil {
			return nil, errors.Join(err, mine.Close())
		}
		cmd.ExtraFiles = []*os.File{its}
		cmd.Env = append(slices.Clip(p.spec.Env), handover.FD+"=3")
		listens = func() {
			defer mine.Close() //nolint:errcheck // all is said
			if _, err := handover.Receive(mine); err != nil {
				return
			}
			close(r.ready)
			<-dead
		}
		r.conn = mine
	}
	if err := proc.Start(cmd, p.spec.Orphan); err != nil {
		return nil, err
	}
	start, _ := proc.StartTime(cmd.Process.Pid)
	r.record = proc.Record{Name: name, PID: cmd.Process.Pid, Start: start, Stop: p.spec.Stop}
	s.write(r.record)
	var told sync.WaitGroup
	told.Go(listens)
	go func() {
		if r.err = cmd.Wait(); r.err == nil {
			r.err = errors.New("exit status 0")
		}
		// What it started must not outlive it.
		_ = syscall.Kill(-r.record.PID, syscall.SIGKILL)
		close(dead)
		told.Wait()
		close(r.ended)
	}()
	return r, nil
}

// sockets asks the process for its listening sockets; they are the caller's to close.
func (r *run) sockets() ([]int, error) {
	if err := r.conn.SetDeadline(time.Now().Add(socketsWithin)); err != nil {
		return nil, err
	}
	if err := handover.Send(r.conn, nil); err != nil {
		return nil, err
	}
	return handover.Receive(r.conn)
}

// socketsWithin is how long a process may take to send its sockets.
const socketsWithin = 5 * time.Second

// listening reports whether the process has said so.
func (r *run) listening() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

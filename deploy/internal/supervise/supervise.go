// Package supervise keeps processes running: it starts them, starts them again when
// they die, writes down what it started, and ends everything in order.
package supervise

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/proc"
)

// Spec is one process to keep running.
type Spec struct {
	Name  string
	Kind  string // app, sidecar, component, postgres, redis
	Path  string
	Args  []string
	Dir   string
	Env   []string // all of it: nothing is inherited
	Ports map[string]int
	Port  int // the one people ask for
	Log   string
	User  *syscall.Credential // nil: as we are

	// Stop ends it well; Orphan ends it when we are killed.
	Stop, Orphan syscall.Signal
	Patience     time.Duration
	// Before runs ahead of every start; an error counts as a death.
	Before func(context.Context) error
}

// Status is what is known of a process.
type Status struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	PID      int            `json:"pid"`
	Port     int            `json:"port"`
	Ports    map[string]int `json:"ports"`
	State    string         `json:"state"`
	Restarts int            `json:"restarts"`
	Since    time.Time      `json:"since"`
	LastExit string         `json:"last_exit,omitempty"`
	Memory   int64          `json:"memory_bytes"`
}

// States of a process.
const (
	Starting = "starting"
	Running  = "running"
	Waiting  = "waiting" // died, and waits to be started again
	Stopped  = "stopped"
)

// Supervisor keeps a set of processes.
type Supervisor struct {
	records string
	say     func(format string, args ...any)

	mu    sync.Mutex
	procs map[string]*process
	order []string
}

type process struct {
	spec   Spec
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{} // skips what is left of a back-off

	mu      sync.Mutex
	status  Status
	current proc.Record
}

// New keeps records in a directory and says what happens.
func New(records string, say func(string, ...any)) *Supervisor {
	return &Supervisor{records: records, say: say, procs: map[string]*process{}}
}

// Start keeps a process running until Stop.
func (s *Supervisor) Start(spec Spec) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{spec: spec, cancel: cancel, done: make(chan struct{}), wake: make(chan struct{}, 1),
		status: Status{Name: spec.Name, Kind: spec.Kind, Port: spec.Port, Ports: spec.Ports, State: Starting}}
	s.mu.Lock()
	s.procs[spec.Name] = p
	s.order = append(s.order, spec.Name)
	s.mu.Unlock()
	go func() {
		defer close(p.done)
		s.keep(ctx, p)
	}()
}

func (s *Supervisor) keep(ctx context.Context, p *process) {
	var wait Backoff
	for ctx.Err() == nil {
		began := time.Now()
		err := s.once(ctx, p)
		proc.Remove(s.records, p.spec.Name)
		if ctx.Err() != nil {
			break
		}
		pause := wait.Next(time.Since(began))
		p.update(func(st *Status) {
			st.State, st.PID, st.Restarts = Waiting, 0, st.Restarts+1
			st.LastExit = fmt.Sprint(err)
		})
		s.say("%s ended (%v); starting it again in %v", p.spec.Name, err, pause)
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-time.After(pause):
		}
	}
	p.update(func(st *Status) { st.State, st.PID = Stopped, 0 })
}

// once runs the process to its end.
func (s *Supervisor) once(ctx context.Context, p *process) error {
	if p.spec.Before != nil {
		if err := p.spec.Before(ctx); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(p.spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the child writes to it, not we
	cmd := exec.Command(p.spec.Path, p.spec.Args...)
	cmd.Dir, cmd.Env = p.spec.Dir, p.spec.Env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.spec.User}
	if err := proc.Start(cmd, p.spec.Orphan); err != nil {
		return err
	}
	start, _ := proc.StartTime(cmd.Process.Pid)
	record := proc.Record{Name: p.spec.Name, PID: cmd.Process.Pid, Start: start, Stop: p.spec.Stop}
	if err := record.Write(s.records); err != nil {
		s.say("%s: its pid could not be written down: %v", p.spec.Name, err)
	}
	p.update(func(st *Status) { st.State, st.PID, st.Since = Running, record.PID, time.Now() })
	p.setCurrent(record)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = syscall.Kill(-record.PID, p.spec.Stop)
		select {
		case err = <-ended:
		case <-time.After(p.spec.Patience):
			s.say("%s does not stop; killing it", p.spec.Name)
			_ = syscall.Kill(-record.PID, syscall.SIGKILL)
			err = <-ended
		}
	}
	// What it started must not outlive it.
	_ = syscall.Kill(-record.PID, syscall.SIGKILL)
	p.setCurrent(proc.Record{})
	if err == nil {
		return fmt.Errorf("exit status 0")
	}
	return err
}

// Kill sends SIGKILL, as a crash would.
func (s *Supervisor) Kill(name string) error {
	return s.signal(name, func(p *process) syscall.Signal { return syscall.SIGKILL })
}

// Restart ends a process well; it is started again like after any end, but at once.
func (s *Supervisor) Restart(name string) error {
	return s.signal(name, func(p *process) syscall.Signal { return p.spec.Stop })
}

func (s *Supervisor) signal(name string, which func(*process) syscall.Signal) error {
	s.mu.Lock()
	p := s.procs[name]
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("no process %q; there are: %v", name, s.names())
	}
	p.mu.Lock()
	r := p.current
	p.mu.Unlock()
	if r.PID == 0 {
		select {
		case p.wake <- struct{}{}:
		default:
		}
		return nil
	}
	// Only the group's leader is signalled: our own processes have no children, and
	// PostgreSQL and Redis tell theirs.
	return syscall.Kill(r.PID, which(p))
}

// Stop ends the named processes side by side, and returns when they are gone.
func (s *Supervisor) Stop(names ...string) {
	var waiting []*process
	s.mu.Lock()
	for _, n := range names {
		if p := s.procs[n]; p != nil {
			p.cancel()
			waiting = append(waiting, p)
		}
	}
	s.mu.Unlock()
	for _, p := range waiting {
		<-p.done
	}
}

// StopAll ends everything, kinds in the given order; kinds not named come first.
func (s *Supervisor) StopAll(lastKinds ...[]string) {
	late := slices.Concat(lastKinds...)
	s.Stop(s.pick(func(kind string) bool { return !slices.Contains(late, kind) })...)
	for _, kinds := range lastKinds {
		s.Stop(s.pick(func(kind string) bool { return slices.Contains(kinds, kind) })...)
	}
}

func (s *Supervisor) pick(want func(kind string) bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, p := range s.procs {
		if want(p.spec.Kind) {
			names = append(names, name)
		}
	}
	return names
}

// Status lists all processes in the order they were started.
func (s *Supervisor) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Status, 0, len(s.order))
	for _, name := range s.order {
		p := s.procs[name]
		p.mu.Lock()
		st := p.status
		p.mu.Unlock()
		if st.PID > 0 {
			st.Memory = proc.Memory(st.PID)
		}
		out = append(out, st)
	}
	return out
}

// Restarts is how often a process died, without asking the system for the rest.
func (s *Supervisor) Restarts(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.procs[name]; p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.status.Restarts
	}
	return 0
}

func (s *Supervisor) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.procs))
}

func (p *process) update(f func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.status)
}

func (p *process) setCurrent(r proc.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = r
}

// Package supervise keeps processes running: it starts them, starts them again when
// they die, writes down what it started, and ends everything in order.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/proc"
	"daprmall.dev/services/kit/handover"
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
	// HoldInput keeps its standard input open as long as we live; others have none.
	HoldInput bool
	// Handover is how long a new process may take to listen while the old one still serves (services/kit/handover).
	// 0: a restart ends the old one first.
	Handover time.Duration
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
	spec     Spec
	cancel   context.CancelFunc
	done     chan struct{}
	restarts chan chan<- error // requests, with where the outcome goes

	mu      sync.Mutex
	status  Status
	current proc.Record
}

// New keeps records in a directory and reports what happens.
func New(records string, say func(string, ...any)) *Supervisor {
	return &Supervisor{records: records, say: say, procs: map[string]*process{}}
}

// Start keeps a process running until Stop.
func (s *Supervisor) Start(spec Spec) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{spec: spec, cancel: cancel, done: make(chan struct{}), restarts: make(chan chan<- error),
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

// errAsked ends a process that is to be started again at once.
var errAsked = errors.New("restarted on request")

func (s *Supervisor) keep(ctx context.Context, p *process) {
	defer p.update(func(st *Status) { st.State, st.PID = Stopped, 0 })
	var wait Backoff
	for ctx.Err() == nil {
		began := time.Now()
		r, err := s.launch(ctx, p, p.spec.Name)
		if err == nil {
			r, err = s.attend(ctx, p, r)
			began = r.began
		}
		proc.Remove(s.records, p.spec.Name)
		if ctx.Err() != nil || errors.Is(err, errAsked) {
			continue
		}
		pause := wait.Next(time.Since(began))
		p.update(func(st *Status) {
			st.State, st.PID, st.Restarts = Waiting, 0, st.Restarts+1
			st.LastExit = fmt.Sprint(err)
		})
		s.say("%s ended (%v); starting it again in %v", p.spec.Name, err, pause)
		select {
		case <-ctx.Done():
		case answer := <-p.restarts:
			answer <- nil
		case <-time.After(pause):
		}
	}
}

// attend keeps a run company to the end of the process, or of the last that took its place.
func (s *Supervisor) attend(ctx context.Context, p *process, r *run) (*run, error) {
	s.adopt(p, r)
	defer p.setCurrent(proc.Record{})
	for {
		select {
		case <-r.ended:
			return r, r.err
		case <-ctx.Done():
			s.end(p, r)
			return r, r.err
		case answer := <-p.restarts:
			if !r.listening() {
				s.end(p, r)
				answer <- nil
				return r, errAsked
			}
			next, err := s.successor(ctx, p, r)
			if err == nil {
				s.end(p, r)
				s.adopt(p, next)
				r = next
			}
			answer <- err
		}
	}
}

// successor starts a process beside the running one, and returns when it reports that it listens.
func (s *Supervisor) successor(ctx context.Context, p *process, old *run) (*run, error) {
	sockets, err := old.sockets()
	if err != nil {
		return nil, fmt.Errorf("%s does not hand over its sockets and keeps running: %w", p.spec.Name, err)
	}
	r, err := s.launch(ctx, p, p.spec.Name+".next", sockets...)
	handover.Close(sockets) // the new process has them
	if err != nil {
		return nil, err
	}
	select {
	case <-r.ready:
		return r, nil
	case <-r.ended:
		err = fmt.Errorf("the new %s ended (%w), the old one keeps running", p.spec.Name, r.err)
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(p.spec.Handover):
		err = fmt.Errorf("the new %s does not listen after %v, the old one keeps running", p.spec.Name, p.spec.Handover)
	}
	s.end(p, r)
	proc.Remove(s.records, r.record.Name)
	return nil, err
}

// adopt makes a run the one that others see.
func (s *Supervisor) adopt(p *process, r *run) {
	if r.record.Name != p.spec.Name {
		proc.Remove(s.records, r.record.Name)
		r.record.Name = p.spec.Name
		s.write(r.record)
	}
	p.update(func(st *Status) { st.State, st.PID, st.Since = Running, r.record.PID, r.began })
	p.setCurrent(r.record)
}

// end ends a run well, or by force if that takes too long.
func (s *Supervisor) end(p *process, r *run) {
	_ = syscall.Kill(-r.record.PID, p.spec.Stop)
	select {
	case <-r.ended:
	case <-time.After(p.spec.Patience):
		s.say("%s does not stop; killing it", p.spec.Name)
		_ = syscall.Kill(-r.record.PID, syscall.SIGKILL)
		<-r.ended
	}
}

func (s *Supervisor) write(r proc.Record) {
	if err := r.Write(s.records); err != nil {
		s.say("%s: its pid could not be recorded: %v", r.Name, err)
	}
}

// Kill sends SIGKILL, as a crash would.
func (s *Supervisor) Kill(name string) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	pid := p.current.PID
	p.mu.Unlock()
	if pid == 0 {
		return nil
	}
	// Only the group's leader is signalled: our own processes have no children, and
	// PostgreSQL and Redis tell theirs.
	return syscall.Kill(pid, syscall.SIGKILL)
}

// Restart replaces a process and returns when the old one is gone. Where the processes hand their port over, the new
// one listens by then; an error says that it does not, and the old one goes on.
func (s *Supervisor) Restart(ctx context.Context, name string) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	answer := make(chan error, 1)
	select {
	case p.restarts <- answer:
	case <-p.done:
		return fmt.Errorf("%s has been stopped", name)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Supervisor) find(name string) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.procs[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("no process %q; there are: %v", name, slices.Sorted(maps.Keys(s.procs)))
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

// Package steps shows the progress of work that is done side by side: a line when a
// step begins to matter, a line with its time when it ends, and a sign of life between.
package steps

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Progress is where steps report.
type Progress struct {
	out   io.Writer
	began time.Time

	mu      sync.Mutex
	running map[string]*Step
	order   []string
	changed []string
}

// Step is one piece of work in progress.
type Step struct {
	name  string
	began time.Time
	board *Progress
	note  string
	left  bool
}

// sign is how often long steps show that they live.
const sign = 10 * time.Second

// New starts a board; it shows signs of life until the context ends.
func New(ctx context.Context, out io.Writer) *Progress {
	b := &Progress{out: out, began: time.Now(), running: map[string]*Step{}}
	go func() {
		tick := time.NewTicker(sign)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				b.alive()
			}
		}
	}()
	return b
}

// Do runs a step. When the context has ended the step was given up, which is not its fault.
func (b *Progress) Do(ctx context.Context, name string, work func(*Step) error) error {
	s := &Step{name: name, began: time.Now(), board: b}
	b.mu.Lock()
	b.running[name] = s
	b.order = append(b.order, name)
	b.mu.Unlock()
	err := work(s)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, name)
	b.order = slices.DeleteFunc(b.order, func(n string) bool { return n == name })
	mark := "✓"
	note := s.note
	switch {
	case err != nil && ctx.Err() != nil:
		mark, note = "-", "given up"
	case err != nil:
		mark, note = "✗", err.Error()
	case s.left:
		mark = "-"
	}
	fmt.Fprintf(b.out, "  %s %-12s %-7s %s\n", mark, name, seconds(time.Since(s.began)), note)
	return err
}

// Go runs steps side by side and returns the first error after all have ended: what
// one has begun is cancelled through the context, not abandoned.
func Go(ctx context.Context, work ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, w := range work {
		wg.Go(func() {
			if err := w(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Note shows what the step is doing, or has found.
func (s *Step) Note(format string, args ...any) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.note = fmt.Sprintf(format, args...)
}

// LeaveOut shows why the step is skipped, although nothing is wrong.
func (s *Step) LeaveOut(format string, args ...any) {
	s.Note("left out: "+format, args...)
	s.left = true
}

// Changed records what stays on the machine, outside the mall's home: a package, a file in a cache.
func (s *Step) Changed(format string, args ...any) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.board.changed = append(s.board.changed, fmt.Sprintf(format, args...))
}

// SayChanges prints what has changed on the machine since it was last called, if anything has.
func (b *Progress) SayChanges() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.changed) > 0 {
		fmt.Fprintf(b.out, "\n  changed on this machine:\n    %s\n", strings.Join(b.changed, "\n    "))
	}
	b.changed = nil
}

// Say prints a line at once.
func (b *Progress) Say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.out, format+"\n", args...)
}

// Elapsed is the time since the board was started.
func (b *Progress) Elapsed() string { return seconds(time.Since(b.began)) }

func (b *Progress) alive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.order) == 0 {
		return
	}
	var parts []string
	for _, name := range b.order {
		s := b.running[name]
		part := name
		if s.note != "" {
			part += ": " + s.note
		}
		parts = append(parts, part)
	}
	fmt.Fprintf(b.out, "  … %-12s %-7s %s\n", "", seconds(time.Since(b.began)), strings.Join(parts, " · "))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

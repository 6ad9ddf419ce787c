package ids

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

func TestSourcesNeverShareANode(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	seen := sync.Map{}
	var wg sync.WaitGroup
	for range 4 {
		s, err := NewSource(t.Context(), db, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for range 2000 {
				id, err := s.Next()
				if err != nil {
					t.Error(err)
					return
				}
				if _, twice := seen.LoadOrStore(id, true); twice {
					t.Errorf("id %s was made twice", id)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A process that slept through its lease refuses rather than share its node with whoever has it now.
func TestExpiredLeaseMakesNoIds(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	s, err := NewSource(t.Context(), db, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	l := *s.lease.Load()
	l.until = time.Now().Add(-time.Millisecond)
	s.lease.Store(&l)
	if id, err := s.Next(); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("after the lease: id %q, %v; want unavailable", id, err)
	}
	if err := s.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Errorf("after renewal: %v", err)
	}
}

func TestValid(t *testing.T) {
	for s, want := range map[string]bool{"1": true, "9223372036854775807": true, "9223372036854775808": false,
		"": false, "0": false, "01": false, "-1": false, "1.5": false, "１": false, "1 OR 1=1": false} {
		if got := Valid(s); got != want {
			t.Errorf("Valid(%q) = %v, want %v", s, got, want)
		}
	}
}

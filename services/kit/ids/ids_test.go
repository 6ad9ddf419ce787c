package ids

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/bwmarrin/snowflake"

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

// Replicas that start together lease different nodes; none of them has to be started again for it.
func TestReplicasStartTogether(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	nodes := sync.Map{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := NewSource(t.Context(), db, slog.Default())
			if err != nil {
				t.Error(err)
				return
			}
			if _, twice := nodes.LoadOrStore(s.lease.Load().num, true); twice {
				t.Errorf("node %d was leased twice", s.lease.Load().num)
			}
		})
	}
	wg.Wait()
}

// The clock of the machine on which a process ends may be ahead of that on which the next one begins.
func TestTheNextOwnerOfANodeMayHaveAnotherClock(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	lease := func(ahead int64) *Source {
		t.Helper()
		snowflake.Epoch -= ahead
		defer func() { snowflake.Epoch += ahead }()
		s, err := NewSource(t.Context(), db, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	seen := map[string]bool{}
	use := func(s *Source, during time.Duration) {
		t.Helper()
		for end := time.Now().Add(during); time.Now().Before(end); {
			id, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if seen[id] {
				t.Fatalf("id %s was made by both", id)
			}
			seen[id] = true
		}
	}
	first := lease(500)
	use(first, 50*time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := first.Run(ctx); err != nil {
		t.Fatal(err)
	}
	use(lease(0), 600*time.Millisecond)
}

// A node is free again some time after its process ended, or after the lease of one that died.
func TestNodesAreGivenBack(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	lease := func() *Source {
		t.Helper()
		s, err := NewSource(t.Context(), db, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first, second := lease(), lease()
	if a, b := first.lease.Load().num, second.lease.Load().num; a != 0 || b != 1 {
		t.Fatalf("nodes %d and %d, want 0 and 1", a, b)
	}
	if err := first.take(t.Context()); err != nil || first.lease.Load().num != 0 {
		t.Errorf("renewed: node %d, %v; want its own", first.lease.Load().num, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := first.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := lease().lease.Load().num; n != 2 {
		t.Errorf("a node that was given back just now: took %d, want 2", n)
	}
	if err := db.Exec("UPDATE node_leases SET expires_at = expires_at - interval '6 seconds' WHERE node = 0").Error; err != nil {
		t.Fatal(err)
	}
	if n := lease().lease.Load().num; n != 0 {
		t.Errorf("a node that was given back some time ago: took %d, want 0", n)
	}
	if err := db.Exec("UPDATE node_leases SET expires_at = now() - interval '3 seconds' WHERE node = 1").Error; err != nil {
		t.Fatal(err)
	}
	if n := lease().lease.Load().num; n != 3 {
		t.Errorf("a lease that ended just now: %d, want 3: the clock of its owner may lag", n)
	}
	if err := db.Exec("UPDATE node_leases SET expires_at = now() - interval '6 seconds' WHERE node = 1").Error; err != nil {
		t.Fatal(err)
	}
	if n := lease().lease.Load().num; n != 1 {
		t.Errorf("a lease that ended some time ago: %d, want 1", n)
	}
	// The owner of node 1 comes back from its pause: it must take another node.
	if err := second.take(t.Context()); err != nil || second.lease.Load().num != 4 {
		t.Errorf("after its node was taken over: %d, %v; want 4", second.lease.Load().num, err)
	}
}

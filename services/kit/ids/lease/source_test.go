package lease

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

// A process that was paused beyond its lease makes no ids, because another one may have its node now.
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

// Replicas that start together lease different nodes, and none has to be restarted.
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

// The clock of the machine on which a process ended may be ahead of the clock on which the next one begins: ids must
// still be unique.
func TestANodesNextOwnerWithAnEarlierClockMakesNewIDs(t *testing.T) {
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
				t.Fatalf("id %s was made twice", id)
			}
			seen[id] = true
		}
	}
	first := lease(500)
	use(first, 50*time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	first.Run(ctx)
	use(lease(0), 600*time.Millisecond)
}

// A node is free again some time after its process has ended, or after the lease of a process that crashed.
func TestNodesAreReused(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	exec := func(query string, args ...any) {
		t.Helper()
		if err := db.Exec(query, args...).Error; err != nil {
			t.Fatal(err)
		}
	}
	// three nodes are free
	exec("INSERT INTO node_leases SELECT n, 'others', now() + interval '1 hour' FROM generate_series(3, 1023) n")
	lease := func() *Source {
		t.Helper()
		s, err := NewSource(t.Context(), db, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	node := func(s *Source) int { return s.lease.Load().num }
	none := func(why string) {
		t.Helper()
		if s, err := NewSource(t.Context(), db, slog.Default()); err == nil {
			t.Errorf("%s: leased node %d, want none", why, node(s))
		}
	}
	first, second, third := lease(), lease(), lease()
	a, b := node(first), node(second)
	if a > 2 || b > 2 || a == b || node(third) != 3-a-b {
		t.Fatalf("nodes %d, %d and %d, want those that are free", a, b, node(third))
	}
	if err := first.take(t.Context()); err != nil || node(first) != a {
		t.Errorf("renewed: node %d, %v; want its own", node(first), err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	first.Run(ctx)
	none("a node that was given back just now")
	exec("UPDATE node_leases SET expires_at = expires_at - interval '6 seconds' WHERE node = ?", a)
	if n := node(lease()); n != a {
		t.Errorf("a node that was given back some time ago: took %d, want %d", n, a)
	}
	exec("UPDATE node_leases SET expires_at = now() - interval '3 seconds' WHERE node = ?", b)
	none("a lease that ended just now, by an owner whose clock may lag")
	exec("UPDATE node_leases SET expires_at = now() - interval '6 seconds' WHERE node = ?", b)
	if n := node(lease()); n != b {
		t.Errorf("a lease that ended some time ago: took %d, want %d", n, b)
	}
	// The first owner of b continues after its pause and must take another node.
	exec("DELETE FROM node_leases WHERE node = 77")
	if err := second.take(t.Context()); err != nil || node(second) != 77 {
		t.Errorf("after its node was taken over: %d, %v; want 77", node(second), err)
	}
}

// The database is restored without its latest leases while their owners run. A process that starts then does not simply
// take the lowest free node of the table, which may be theirs; and the owners notice when they renew.
func TestNodesAreNotSharedAfterARestore(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	running, err := NewSource(t.Context(), db, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	const restores = 3
	for range restores {
		if err := db.Exec("TRUNCATE node_leases").Error; err != nil {
			t.Fatal(err)
		}
		s, err := NewSource(t.Context(), db, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		if s.lease.Load().num == running.lease.Load().num { // happens by chance once in 1,024
			same++
		}
	}
	if same == restores {
		t.Error("every new process leased the node of the running one")
	}
	if err := running.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	var owners int
	if err := db.Raw("SELECT count(DISTINCT owner) FROM node_leases WHERE expires_at > now()").Scan(&owners).
		Error; err != nil || owners != 2 {
		t.Errorf("%d owners of 2 leases, %v", owners, err)
	}
}

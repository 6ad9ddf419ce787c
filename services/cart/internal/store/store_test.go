package store

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

// contendedStore is a state store in which every save meets a concurrent change.
type contendedStore struct{}

func (contendedStore) Load(context.Context, string, string) (sidecar.Document, error) {
	return sidecar.Document{}, nil
}

func (contendedStore) Save(context.Context, string, sidecar.Document) error { return sidecar.ErrStale }

// A user who changes a cart by many concurrent requests must not open the route's breaker for all users.
func TestConcurrentChangesOfACartDoNotCountAsFailures(t *testing.T) {
	_, err := New(contendedStore{}).Change(t.Context(), "7", func(*cart.Cart) error { return nil })
	if problem.KindOf(err) != problem.Unavailable || problem.CodeOf(err) != sidecar.CodeOverloaded {
		t.Errorf("%v, want unavailable by %s", err, sidecar.CodeOverloaded)
	}
}

// memory is a state store whose ETags are versions. It counts the saves that were refused.
type memory struct {
	mu      sync.Mutex
	doc     sidecar.Document
	version int
	stale   int
}

func (m *memory) Load(context.Context, string, string) (sidecar.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.doc, nil
}

func (m *memory) Save(_ context.Context, _ string, d sidecar.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d.ETag != m.doc.ETag {
		m.stale++
		return sidecar.ErrStale
	}
	m.version++
	m.doc = d
	m.doc.ETag = strconv.Itoa(m.version)
	return nil
}

// Changes of one cart do not repeat each other: a hundred of them are saved a hundred times.
func TestChangesOfACartTakeTurns(t *testing.T) {
	docs := &memory{}
	s := New(docs)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_, err := s.Change(t.Context(), "7", func(c *cart.Cart) error {
				runtime.Gosched()
				return c.Add(cart.Product{ID: "1", Price: 100}, 1)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c, err := s.Load(t.Context(), "7")
	if err != nil || len(c.Lines) != 1 || c.Lines[0].Quantity != 100 || docs.stale > 0 {
		t.Errorf("the cart has %+v, %v; %d saves were refused", c.Lines, err, docs.stale)
	}
}

// Who waits too long for changes of their own cart is refused, and opens no breaker.
func TestAChangeDoesNotWaitForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(&memory{})
		hang := make(chan struct{})
		go func() {
			_, _ = s.Change(t.Context(), "7", func(*cart.Cart) error { <-hang; return nil })
		}()
		synctest.Wait()
		_, err := s.Change(t.Context(), "7", func(*cart.Cart) error { return nil })
		if problem.CodeOf(err) != sidecar.CodeOverloaded {
			t.Errorf("%v, want %s", err, sidecar.CodeOverloaded)
		}
		if _, err := s.Change(t.Context(), "8", func(*cart.Cart) error { return nil }); err != nil {
			t.Errorf("another cart: %v", err)
		}
		close(hang)
	})
}

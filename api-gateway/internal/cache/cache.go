// Package cache keeps answers that are the same for everybody for a moment, so that a crowd who reads the same shares
// one question to a service. It never keeps an answer beyond a write that it was told of.
package cache

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// MaxAge is how old an answer may get that is given because the service cannot be asked.
const MaxAge = 5 * time.Second

// Group says which writes concern an answer.
type Group string

// The groups of answers.
const (
	Pages Group = "pages" // about one object, dropped by their key
	Lists Group = "lists" // about many, dropped together
)

// Key is what an answer is kept under.
type Key struct {
	Group Group
	Name  string // path and query
}

// Result says where an answer came from.
type Result string

// The results of Get.
const (
	Kept    Result = "kept"
	Fetched Result = "fetched" // also by another request at the same time
	Stale   Result = "stale"   // kept longer than asked for, because it could not be fetched
)

// Cache keeps answers of type A, up to a number of bytes.
type Cache[A any] struct {
	mu      sync.Mutex
	entries *simplelru.LRU[Key, entry[A]]
	flights map[Key]*flight[A]
	bytes   int
	most    int
	size    func(A) int
	now     func() time.Time
}

type entry[A any] struct {
	answer A
	size   int
	at     time.Time // when it was asked for
}

// flight is a question under way; all who ask the same wait for it.
type flight[A any] struct {
	done   chan struct{}
	answer A
	result Result
	err    error
}

// New makes a cache that keeps answers of at most that many bytes in all; size measures one.
func New[A any](most int, size func(A) int, now func() time.Time) *Cache[A] {
	c := &Cache[A]{flights: map[Key]*flight[A]{}, most: most, size: size, now: now}
	// The number of entries is bounded by their bytes. The only error is about a size that is not positive.
	c.entries, _ = simplelru.NewLRU[Key, entry[A]](most, func(_ Key, e entry[A]) { c.bytes -= e.size })
	return c
}

// Fetch asks for an answer. keep says that it may be kept; an error may be answered with one that is not too old.
type Fetch[A any] func() (answer A, keep bool, err error)

// Get returns an answer that was asked for within freshFor, fetching it if need be. Who asks for the same at the same
// time waits for one fetch, which goes on when they leave. An answer that is asked for in the last quarter of freshFor
// is fetched again meanwhile, so that a crowd never waits for it.
func (c *Cache[A]) Get(ctx context.Context, k Key, freshFor time.Duration, fetch Fetch[A]) (A, Result, error) {
	c.mu.Lock()
	e, ok := c.entries.Get(k)
	age := c.now().Sub(e.at)
	fresh := ok && age < freshFor
	f := c.flights[k]
	if f == nil && (!fresh || age >= freshFor*3/4) {
		f = &flight[A]{done: make(chan struct{})}
		c.flights[k] = f
		go c.fly(k, f, fetch)
	}
	c.mu.Unlock()
	if fresh {
		return e.answer, Kept, nil
	}
	select {
	case <-f.done:
		return f.answer, f.result, f.err
	case <-ctx.Done():
		var none A
		return none, "", ctx.Err()
	}
}

func (c *Cache[A]) fly(k Key, f *flight[A], fetch Fetch[A]) {
	defer close(f.done)
	began := c.now()
	answer, keep, err := fetch()
	f.answer, f.result, f.err = answer, Fetched, err
	c.mu.Lock()
	defer c.mu.Unlock()
	current := c.flights[k] == f // else something was written meanwhile, which the answer may not show
	if current {
		delete(c.flights, k)
	}
	switch e, ok := c.entries.Peek(k); {
	case f.err != nil && ok && c.now().Sub(e.at) < MaxAge:
		f.answer, f.result, f.err = e.answer, Stale, nil
	case f.err == nil && keep && current:
		c.keep(k, entry[A]{f.answer, c.size(f.answer), began})
	}
}

func (c *Cache[A]) keep(k Key, e entry[A]) {
	c.entries.Remove(k)
	if e.size > c.most/8 {
		return
	}
	c.entries.Add(k, e)
	for c.bytes += e.size; c.bytes > c.most; {
		c.entries.RemoveOldest()
	}
}

// DropPages forgets pages. Answers that are being fetched are not kept, and
// who asks from now on does not wait for them.
func (c *Cache[A]) DropPages(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		k := Key{Pages, name}
		c.entries.Remove(k)
		delete(c.flights, k)
	}
}

// DropLists forgets all lists.
func (c *Cache[A]) DropLists() { c.drop(func(k Key) bool { return k.Group == Lists }) }

// Clear forgets everything.
func (c *Cache[A]) Clear() { c.drop(func(Key) bool { return true }) }

func (c *Cache[A]) drop(which func(Key) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.entries.Keys() {
		if which(k) {
			c.entries.Remove(k)
		}
	}
	for k := range c.flights {
		if which(k) {
			delete(c.flights, k)
		}
	}
}

// Bytes is the size of what is kept.
func (c *Cache[A]) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

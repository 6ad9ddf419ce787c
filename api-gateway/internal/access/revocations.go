package access

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/worker"
)

const (
	pollEvery   = 500 * time.Millisecond
	maxAge      = 30 * time.Second // with an older list every token is rejected
	pollTimeout = 2 * time.Second  // for one page
	purgeEvery  = time.Minute      // how often expired revocations are dropped: it goes through the whole list
	// While nobody who is signed in asks for anything, the list is read less often, and who does so first waits for it.
	idleAfter = 5 * time.Second
	idleEvery = 5 * time.Second
)

// Source returns a page of what was revoked since a time on auth's clock; the zero time asks for all revocations in
// force. after is the Next of the page before, "" for the first one.
type Source func(ctx context.Context, since time.Time, after string) (authv1.Revocations, error)

// Revocations is this replica's copy of auth's list, so that no request has to ask. Every replica that is used polls
// twice a second: a revocation takes effect everywhere within one second.
type Revocations struct {
	source Source
	log    *slog.Logger
	now    func() time.Time

	mu       sync.RWMutex
	users    map[string]revocation
	sessions map[string]revocation
	keys     []string      // ids of the signing keys whose tokens are valid; nil: an older auth does not list them
	polled   time.Time     // when the last successful poll began; zero: never
	purged   time.Time     // when expired revocations were last dropped
	since    time.Time     // where the next poll continues, on auth's clock; used only by Run's goroutine
	resting  chan struct{} // closed at the end of the pause of idleEvery; nil: the usual pause

	used atomic.Int64  // when IsRevoked was called last, Unix time in ns
	wake chan struct{} // ends a pause of idleEvery
}

type revocation struct {
	notBefore int64     // tokens issued before are void; Unix time in ms
	expires   time.Time // when all such tokens have expired by themselves
}

// NewRevocations makes an empty list, which rejects everybody until Run has filled it.
func NewRevocations(source Source, log *slog.Logger) *Revocations {
	return &Revocations{source: source, log: log, now: time.Now, users: map[string]revocation{},
		sessions: map[string]revocation{}, wake: make(chan struct{}, 1)}
}

// Run keeps the list current until ctx ends.
func (r *Revocations) Run(ctx context.Context) {
	worker.Loop{Name: "revocations", Log: r.log, AtOnce: true, Every: r.pause, Wake: r.wake, Work: r.refresh}.Run(ctx)
}

// pause is how long the list may stay as it is.
func (r *Revocations) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(time.Unix(0, r.used.Load())) < idleAfter {
		return pollEvery
	}
	r.resting = make(chan struct{})
	return idleEvery
}

// awake ends a long pause and returns when the list has been read, or could not be read.
func (r *Revocations) awake(ctx context.Context) {
	r.used.Store(r.now().UnixNano())
	r.mu.RLock()
	resting, age := r.resting, r.now().Sub(r.polled)
	r.mu.RUnlock()
	if resting == nil || age < 2*pollEvery {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default: // another request has
	}
	timeout := time.NewTimer(pollTimeout)
	defer timeout.Stop()
	select {
	case <-resting:
	case <-timeout.C:
	case <-ctx.Done():
	}
}

// rested ends the waiting for a list.
func (r *Revocations) rested() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resting != nil {
		close(r.resting)
		r.resting = nil
	}
}

func (r *Revocations) refresh(ctx context.Context) error {
	defer r.rested()
	began := r.now()
	list, err := r.readPage(ctx, "")
	first := list.Now // of the first page, so that the next poll has what is revoked while the pages are read
	for err == nil && list.Next != "" {
		list, err = r.readPage(ctx, list.Next)
	}
	if err != nil {
		return err
	}
	r.since = first
	r.mu.Lock()
	defer r.mu.Unlock()
	r.polled = began
	if list.Keys != nil {
		r.keys = list.Keys
	}
	if began.Sub(r.purged) > purgeEvery {
		r.purged = began
		purge(r.users, list.Now)
		purge(r.sessions, list.Now)
	}
	return nil
}

// readPage reads one page and merges it into the list.
func (r *Revocations) readPage(ctx context.Context, after string) (authv1.Revocations, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	list, err := r.source(ctx, r.since, after)
	if err != nil {
		return list, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range list.Items {
		if n.Kind == authv1.KindSession {
			merge(r.sessions, n)
		} else {
			merge(r.users, n)
		}
	}
	return list, nil
}

// merge keeps the strictest revocation of a subject. Polls overlap, so most revocations come several times.
func merge(list map[string]revocation, n authv1.Revocation) {
	e := list[n.Subject]
	e.notBefore = max(e.notBefore, n.NotBefore)
	if n.ExpiresAt.After(e.expires) {
		e.expires = n.ExpiresAt
	}
	list[n.Subject] = e
}

// purge drops revocations whose tokens have all expired.
func purge(list map[string]revocation, now time.Time) {
	for name, e := range list {
		if now.After(e.expires) {
			delete(list, name)
		}
	}
}

// IsRevoked reports whether a verified user's token was revoked. It returns Unavailable when the list is too old to
// know.
func (r *Revocations) IsRevoked(ctx context.Context, u identity.User) (bool, error) {
	r.awake(ctx)
	r.mu.RLock()
	defer r.mu.RUnlock()
	if age := r.now().Sub(r.polled); age > maxAge {
		return false, problem.NewUnavailable(errors.New("list of revocations is too old"), time.Second,
			"Nobody can be let in right now.")
	}
	if r.keys != nil && !slices.Contains(r.keys, u.Key) { // an operator has revoked the signing key: it was stolen
		return true, nil
	}
	if _, revoked := r.sessions[u.Session]; revoked { // an ended session never comes back, whenever its token was issued
		return true, nil
	}
	user, ok := r.users[u.ID]
	return ok && u.IssuedAt < user.notBefore, nil
}

// Age returns how old the list is; a very long time if there has never been one.
func (r *Revocations) Age() time.Duration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now().Sub(r.polled)
}

// Ready waits for the first list only. Later outages do not make the gateway unready: browsing still works.
func (r *Revocations) Ready(context.Context) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.polled.IsZero() {
		return errors.New("auth has not said yet what is revoked")
	}
	return nil
}

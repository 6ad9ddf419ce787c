package access

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/worker"
)

const (
	askEvery = 500 * time.Millisecond
	stale    = 30 * time.Second // older lists reject everybody
	patience = 2 * time.Second  // a poll that hangs is given up and repeated
	sweep    = time.Minute
)

// Source returns what was revoked since a time on auth's clock; the zero time asks for everything that still matters.
// After is the Next of the page before: a day's revocations do not fit into one.
type Source func(ctx context.Context, since time.Time, after string) (authv1.Revocations, error)

// Revocations is this replica's copy of auth's list, so that no request has to ask. Every replica polls twice a second:
// a revocation takes effect everywhere within one second.
type Revocations struct {
	source Source
	log    *slog.Logger
	now    func() time.Time

	mu       sync.RWMutex
	users    map[string]entry
	sessions map[string]entry
	keys     []string  // signing keys whose tokens are valid; nil: auth does not list them
	asked    time.Time // when the last successful poll began; zero: never
	swept    time.Time
	since    time.Time // auth's clock; only Run's goroutine
}

type entry struct {
	notBefore int64
	expires   time.Time
}

// NewRevocations makes an empty list, which rejects everybody until Run has filled it.
func NewRevocations(source Source, log *slog.Logger) *Revocations {
	return &Revocations{source: source, log: log, now: time.Now, users: map[string]entry{}, sessions: map[string]entry{}}
}

// Run keeps the list current until ctx ends.
func (r *Revocations) Run(ctx context.Context) {
	worker.Loop{Name: "revocations", Log: r.log, AtOnce: true, Every: worker.Pause(askEvery), Work: r.refresh}.Run(ctx)
}

func (r *Revocations) refresh(ctx context.Context) error {
	asked := r.now()
	list, err := r.ask(ctx, "")
	first := list.Now // what is revoked while the pages are read is in the next poll
	for err == nil && list.Next != "" {
		list, err = r.ask(ctx, list.Next)
	}
	if err != nil {
		return err
	}
	r.since = first
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = asked
	if list.Keys != nil {
		r.keys = list.Keys
	}
	if asked.Sub(r.swept) > sweep {
		r.swept = asked
		purge(r.users, list.Now)
		purge(r.sessions, list.Now)
	}
	return nil
}

// ask reads one page.
func (r *Revocations) ask(ctx context.Context, after string) (authv1.Revocations, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list, err := r.source(ctx, r.since, after)
	if err != nil {
		return list, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range list.Items {
		if n.Kind == authv1.KindSession {
			note(r.sessions, n)
		} else {
			note(r.users, n)
		}
	}
	return list, nil
}

// note keeps the strictest revocation of a subject: overlapping pages repeat some.
func note(list map[string]entry, n authv1.Revocation) {
	e := list[n.Subject]
	e.notBefore = max(e.notBefore, n.NotBefore)
	if n.ExpiresAt.After(e.expires) {
		e.expires = n.ExpiresAt
	}
	list[n.Subject] = e
}

// purge drops revocations whose tokens have all expired.
func purge(list map[string]entry, now time.Time) {
	for name, e := range list {
		if now.After(e.expires) {
			delete(list, name)
		}
	}
}

// IsRevoked reports whether a verified user's token was revoked. It returns Unavailable when the list is too old to
// know.
func (r *Revocations) IsRevoked(u identity.User) (bool, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if age := r.now().Sub(r.asked); age > stale {
		return false, problem.NewUnavailable(errors.New("list of revocations is too old"), time.Second,
			"Nobody can be let in right now.")
	}
	if r.keys != nil && !slices.Contains(r.keys, u.Key) { // auth removed the key: it was stolen
		return true, nil
	}
	if _, over := r.sessions[u.Session]; over { // an ended session never comes back, whenever its token was issued
		return true, nil
	}
	user, ok := r.users[u.ID]
	return ok && u.IssuedAt < user.notBefore, nil
}

// Age returns how old the list is; a very long time if there has never been one.
func (r *Revocations) Age() time.Duration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now().Sub(r.asked)
}

// Ready waits for the first list only. Later outages do not make the gateway unready: browsing still works.
func (r *Revocations) Ready(context.Context) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.asked.IsZero() {
		return errors.New("auth has not said yet what is revoked")
	}
	return nil
}

package access

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
)

func TestAStaleRevocationListMakesTheGatewayUnavailable(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var since []time.Time
	answer := authv1.Revocations{Now: now}
	var down error
	r := NewRevocations(func(_ context.Context, s time.Time, _ string) (authv1.Revocations, error) {
		since = append(since, s)
		return answer, down
	}, slog.New(slog.DiscardHandler))
	r.now = func() time.Time { return now }
	u := identity.User{ID: "7", Session: "s1", IssuedAt: now.UnixMilli()}

	check := func(what string, wantVoid bool, want problem.Kind) {
		t.Helper()
		if void, err := r.IsRevoked(t.Context(), u); void != wantVoid || problem.KindOf(err) != want {
			t.Errorf("%s: void %v, %v; want %v, %q", what, void, err, wantVoid, want)
		}
	}
	check("no list yet", false, problem.Unavailable)
	if err := r.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("fresh list", false, "")

	answer.Items = []authv1.Revocation{{Kind: authv1.KindUser, Subject: "7", NotBefore: now.UnixMilli() + 1,
		ExpiresAt: now.Add(15 * time.Minute)}}
	if err := r.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("revoked", true, "")
	if len(since) != 2 || !since[0].IsZero() || !since[1].Equal(answer.Now) {
		t.Errorf("since was %v, want none first, then the time of auth's clock", since)
	}

	down, answer = errors.New("auth is down"), authv1.Revocations{}
	now = now.Add(30 * time.Second)
	_ = r.refresh(t.Context())
	check("30 s without auth", true, "")
	now = now.Add(time.Second)
	check("31 s without auth", false, problem.Unavailable)

	down, answer = nil, authv1.Revocations{Now: now.Add(time.Hour)}
	now = now.Add(time.Hour)
	if err := r.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after all its tokens expired", false, "")
	if len(r.users) != 0 {
		t.Errorf("%d revocations are kept though all tokens they void have expired", len(r.users))
	}
}

// With a list of several pages, no token is accepted before its last page was read.
func TestARevocationListIsReadToItsLastPage(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	one := func(subject, next string, at time.Time) authv1.Revocations {
		return authv1.Revocations{Now: at, Next: next, Items: []authv1.Revocation{{Kind: authv1.KindUser, Subject: subject,
			NotBefore: now.UnixMilli() + 1, ExpiresAt: now.Add(time.Hour)}}}
	}
	pages := map[string]authv1.Revocations{"": one("7", "a", now), "a": one("8", "b", now.Add(time.Second)),
		"b": one("9", "", now.Add(2*time.Second))}
	lost := "b"
	var since []time.Time
	r := NewRevocations(func(_ context.Context, s time.Time, after string) (authv1.Revocations, error) {
		since = append(since, s)
		if after == lost {
			return authv1.Revocations{}, errors.New("auth is down")
		}
		return pages[after], nil
	}, slog.New(slog.DiscardHandler))
	r.now = func() time.Time { return now }
	last := identity.User{ID: "9", Session: "s1", IssuedAt: now.UnixMilli()}
	if err := r.refresh(t.Context()); err == nil || r.Ready(t.Context()) == nil {
		t.Errorf("the list counts as complete without its last page: %v", err)
	}
	if _, err := r.IsRevoked(t.Context(), last); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("accepted with an incomplete list: %v", err)
	}
	lost = "none"
	for range 2 {
		if err := r.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if void, err := r.IsRevoked(t.Context(), last); !void || err != nil {
		t.Errorf("void %v, %v; want void: the last page says so", void, err)
	}
	if !since[3].IsZero() || !since[len(since)-1].Equal(now) {
		t.Errorf("since was %v, want none until the list is complete, then the time of its first page", since)
	}
}

// Tokens of a key that auth removed from its list are rejected after the next poll. A list without keys changes
// nothing.
func TestTokensOfARemovedKeyAreVoid(t *testing.T) {
	user := identity.User{ID: "7", Session: "1", Key: "k1"}
	answer := authv1.Revocations{Now: time.Now()}
	r := NewRevocations(func(context.Context, time.Time, string) (authv1.Revocations, error) { return answer, nil },
		slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		keys []string
		void bool
	}{{nil, false}, {[]string{"k1", "k2"}, false}, {[]string{"k2"}, true}, {nil, true}, {[]string{"k2", "k1"}, false}} {
		answer.Keys = c.keys
		if err := r.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if void, err := r.IsRevoked(t.Context(), user); void != c.void || err != nil {
			t.Errorf("keys %v: void %v, %v; want %v", c.keys, void, err, c.void)
		}
	}
}

// An idle gateway reads the list less often. Whoever asks then waits for a new one, so that a revocation meanwhile
// holds; when auth does not answer, the wait ends and the usual rule applies.
func TestAnIdleGatewayReadsTheListWhenItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		var answer atomic.Pointer[authv1.Revocations] // nil: auth is down
		answer.Store(&authv1.Revocations{})
		r := NewRevocations(func(context.Context, time.Time, string) (authv1.Revocations, error) {
			reads.Add(1)
			time.Sleep(time.Millisecond) //nolint:forbidigo // synctest: nobody waits
			if a := answer.Load(); a != nil {
				return *a, nil
			}
			return authv1.Revocations{}, errors.New("auth is down")
		}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { r.Run(ctx) })
		defer run.Wait()
		defer stop()
		later := func(d time.Duration) { time.Sleep(d); synctest.Wait() } //nolint:forbidigo // synctest
		u := identity.User{ID: "7", Session: "s1", IssuedAt: time.Now().UnixMilli()}

		later(time.Minute)
		if n := reads.Load(); n > 14 {
			t.Errorf("an idle gateway reads %d times a minute", n)
		}
		later(3 * time.Second)
		answer.Store(&authv1.Revocations{Items: []authv1.Revocation{{Kind: authv1.KindUser, Subject: "7",
			NotBefore: time.Now().UnixMilli(), ExpiresAt: time.Now().Add(time.Hour)}}})
		var together sync.WaitGroup
		for range 3 {
			together.Go(func() {
				if void, err := r.IsRevoked(t.Context(), u); !void || err != nil {
					t.Errorf("revoked while nobody asked: %v, %v", void, err)
				}
			})
		}
		together.Wait()
		before := reads.Load()
		for range 10 {
			if void, _ := r.IsRevoked(t.Context(), u); !void {
				t.Error("it is forgotten")
			}
			later(500 * time.Millisecond)
		}
		if n := reads.Load() - before; n < 9 || n > 11 {
			t.Errorf("%d reads in 5 s of use, want 10", n)
		}

		later(20 * time.Second)
		answer.Store(nil)
		began := time.Now()
		other := identity.User{ID: "8", Session: "s2", IssuedAt: time.Now().UnixMilli()}
		for range 2 {
			if void, err := r.IsRevoked(t.Context(), other); void || err != nil {
				t.Errorf("the list is %s old: %v, %v", r.Age(), void, err)
			}
		}
		if took := time.Since(began); took > pollTimeout {
			t.Errorf("two requests waited for %s for an auth that is down", took)
		}
	})
}

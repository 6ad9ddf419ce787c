package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/auth/internal/store"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

// fakeUser is the user service with one account.
type fakeUser struct {
	mu     sync.Mutex
	now    auth.Account
	signIn *auth.Account // not nil: the answer to a sign-in that is under way
	down   bool
}

func (a *fakeUser) Verify(context.Context, string, string) (auth.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.signIn != nil {
		return *a.signIn, nil
	}
	return a.now, nil
}

func (a *fakeUser) Find(context.Context, string) (auth.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		return auth.Account{}, errors.New("user is down")
	}
	return a.now, nil
}

func (a *fakeUser) set(roles []string, banned bool, version int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now.Roles, a.now.Banned, a.now.Version = roles, banned, version
}

// ban changes the account at user and tells auth.
func (a *fakeUser) ban(t *testing.T, sessions *auth.Service) {
	t.Helper()
	a.set([]string{"customer"}, true, 2)
	if err := sessions.ApplyAccountState(t.Context(), "7"); err != nil {
		t.Error(err)
	}
}

type plainSigner struct{}

func (plainSigner) Sign(s auth.Session, _ time.Time, _ time.Duration) (string, error) {
	return fmt.Sprintf("%s/%s/%v", s.ID, s.UserID, s.Roles), nil
}

type fakeIDs struct{ n atomic.Int64 }

func (c *fakeIDs) Next() (string, error) { return fmt.Sprint(c.n.Add(1)), nil }

func open(t *testing.T) (*gorm.DB, *store.Store, *auth.Service, *fakeUser) {
	t.Helper()
	db := postgrestest.Open(t, store.Migrations)
	s := store.New(db)
	users := &fakeUser{now: auth.Account{ID: "7", Roles: []string{"customer"}, Version: 1}}
	return db, s, auth.NewService(users, plainSigner{}, s, &fakeIDs{}, []byte("secret"),
		func() time.Duration { return time.Minute },
		func() auth.Lifetimes { return auth.Lifetimes{Refresh: time.Hour, Session: 3 * time.Hour} }), users
}

func signIn(t *testing.T, sessions *auth.Service) auth.Tokens {
	t.Helper()
	tokens, err := sessions.SignIn(t.Context(), "a@b.c", "x")
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func invalid(err error) bool { return problem.CodeOf(err) == "invalid_refresh_token" }

// A client whose answer was lost repeats the refresh, also concurrently, and gets the same successor.
func TestRepeatedRefreshGivesTheSameSuccessor(t *testing.T) {
	_, _, sessions, _ := open(t)
	first := signIn(t, sessions)
	var wg sync.WaitGroup
	var got [8]string
	for i := range got {
		wg.Go(func() {
			tokens, err := sessions.Refresh(t.Context(), first.Refresh)
			if err != nil {
				t.Error(err)
			}
			got[i] = tokens.Refresh
		})
	}
	wg.Wait()
	for _, s := range got {
		if s == "" || s == first.Refresh || s != got[0] {
			t.Fatalf("successors %v, want one and the same", got)
		}
	}
	if _, err := sessions.Refresh(t.Context(), got[0]); err != nil {
		t.Errorf("the successor: %v", err)
	}
}

func TestReusingARefreshTokenEndsTheSession(t *testing.T) {
	db, s, sessions, _ := open(t)
	for name, age := range map[string]string{"after the successor was used": "0 seconds", "after a minute": "61 seconds"} {
		first := signIn(t, sessions)
		second, err := sessions.Refresh(t.Context(), first.Refresh)
		if err != nil {
			t.Fatal(err)
		}
		last := second
		if age == "0 seconds" {
			if last, err = sessions.Refresh(t.Context(), second.Refresh); err != nil {
				t.Fatal(err)
			}
		} else if err := db.Exec(
			"UPDATE refresh_tokens SET used_at = used_at - interval '61 seconds' WHERE used_at IS NOT NULL").Error; err != nil {
			t.Fatal(err)
		}
		if _, err := sessions.Refresh(t.Context(), first.Refresh); !invalid(err) {
			t.Errorf("%s: reuse: %v, want refused", name, err)
		}
		if _, err := sessions.Refresh(t.Context(), last.Refresh); !invalid(err) {
			t.Errorf("%s: the newest token still works: %v", name, err)
		}
	}
	list, err := s.Revocations(t.Context(), time.Time{}, "", 0)
	if err != nil || len(list.Items) != 2 || list.Items[0].Kind != authv1.KindSession ||
		list.Items[0].NotBefore <= list.Now.UnixMilli() {
		t.Errorf("revocations %+v, %v; want both sessions, void for good", list, err)
	}
}

func TestInvalidRefreshTokensAreRefused(t *testing.T) {
	db, _, sessions, _ := open(t)
	for _, token := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "' OR 1=1 --"} {
		if _, err := sessions.Refresh(t.Context(), token); !invalid(err) {
			t.Errorf("refresh with %q: %v, want refused", token, err)
		}
	}
	expired, out := signIn(t, sessions), signIn(t, sessions)
	if err := db.Exec("UPDATE refresh_tokens SET expires_at = now() WHERE session_id = 1").Error; err != nil {
		t.Fatal(err)
	}
	if err := sessions.SignOut(t.Context(), "7", "2"); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"expired": expired.Refresh, "signed out": out.Refresh} {
		if _, err := sessions.Refresh(t.Context(), token); !invalid(err) {
			t.Errorf("%s: %v, want refused", name, err)
		}
	}
}

// When a ban and sign-ins happen at the same time, no session survives the ban.
func TestBanRacesSignIn(t *testing.T) {
	db, _, sessions, users := open(t)
	stale := users.now
	users.signIn = &stale // the answer to each sign-in is from before the ban
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := sessions.SignIn(t.Context(), "a@b.c", "x"); err != nil && problem.CodeOf(err) != "banned" {
				t.Error(err)
			}
		})
	}
	wg.Go(func() { users.ban(t, sessions) })
	wg.Wait()
	var alive int64
	if err := db.Raw("SELECT count(*) FROM sessions WHERE ended_at IS NULL").Scan(&alive).Error; err != nil || alive != 0 {
		t.Errorf("%d sessions outlived the ban, %v", alive, err)
	}
	if _, err := sessions.SignIn(t.Context(), "a@b.c", "x"); problem.CodeOf(err) != "banned" {
		t.Errorf("sign-in with an outdated answer of user: %v, want banned", err)
	}
}

// A revocation gets its time before it commits. A gateway that polls in between must still see it at the next poll.
func TestALateRevocationIsNotMissed(t *testing.T) {
	db, s, sessions, _ := open(t)
	signIn(t, sessions)
	late := db.Begin()
	defer late.Rollback()
	if err := late.Exec(`INSERT INTO revocations (kind, subject, not_before, created_at, expires_at)
		VALUES ('user', 7, now(), clock_timestamp(), now() + interval '15 minutes')`).Error; err != nil {
		t.Fatal(err)
	}
	first, err := s.Revocations(t.Context(), time.Time{}, "", 0)
	if err != nil || len(first.Items) != 0 {
		t.Fatalf("before the commit: %+v, %v", first, err)
	}
	if err := late.Commit().Error; err != nil {
		t.Fatal(err)
	}
	if next, err := s.Revocations(t.Context(), first.Now, "", 0); err != nil || len(next.Items) != 1 ||
		next.Items[0].Subject != "7" {
		t.Errorf("the next poll: %+v, %v; want the late one", next, err)
	}
}

// Tokens contain the millisecond of their issue. A token that was issued in the millisecond of a ban, before it, is
// revoked, too.
func TestARevocationCoversItsWholeMillisecond(t *testing.T) {
	db, s, _, _ := open(t)
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for subject, at := range map[string]time.Time{"8": noon.Add(800 * time.Microsecond), "9": noon.Add(time.Microsecond),
		"10": noon} {
		if err := db.Exec(`INSERT INTO revocations (kind, subject, not_before, created_at, expires_at)
			VALUES ('user', ?, ?, now(), now() + interval '1 hour')`, subject, at).Error; err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Revocations(t.Context(), time.Time{}, "", 0)
	if err != nil || len(list.Items) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, r := range list.Items {
		want := noon.UnixMilli() + 1
		if r.Subject == "10" {
			want = noon.UnixMilli()
		}
		if r.NotBefore != want {
			t.Errorf("%s: void before %d, want %d", r.Subject, r.NotBefore, want)
		}
	}
}

// A gateway that starts reads all revocations in force, more than fit into one answer.
func TestRevocationsAreReadInPages(t *testing.T) {
	db, s, _, _ := open(t)
	for range 2 { // sixteen at one time, seven at a later one
		if err := db.Exec(`INSERT INTO revocations (kind, subject, not_before, created_at, expires_at)
			SELECT kind, g, now(), now(), now() + interval '1 hour' FROM generate_series(1, 8) g, (VALUES ('user'),
			('session')) k (kind)
			UNION ALL SELECT 'user', g, now(), clock_timestamp() + interval '1 second', now() + interval '1 hour'
			FROM generate_series(9, 15) g
			ON CONFLICT DO NOTHING`).Error; err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 4, 5, 23, 24} {
		got, after, asked := map[string]int{}, "", 0
		for asked == 0 || after != "" {
			list, err := s.Revocations(t.Context(), time.Time{}, after, limit)
			if err != nil || len(list.Items) > limit {
				t.Fatalf("%d at once, after %q: %d, %v", limit, after, len(list.Items), err)
			}
			if asked == 1 { // revoked again meanwhile: it may be listed twice, and no other may be missed
				if err := db.Exec("UPDATE revocations SET created_at = clock_timestamp() WHERE kind = 'user' AND subject = 1").
					Error; err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range list.Items {
				got[r.Kind+r.Subject]++
			}
			after = list.Next
			asked++
		}
		if len(got) != 23 {
			t.Errorf("%d at once: %d subjects in %d answers, want 23: %v", limit, len(got), asked, got)
		}
	}
	for _, bad := range []string{"x", "2026-11-23T12:00:00Z,user", "2026-11-23T12:00:00Z,user,x", "noon,user,7"} {
		if _, err := s.Revocations(t.Context(), time.Time{}, bad, 1); problem.KindOf(err) != problem.Invalid {
			t.Errorf("after %q: %v, want it refused", bad, err)
		}
	}
}

// When a ban and refreshes happen at the same time, no token of the account is valid afterwards, whichever is first.
func TestBanRacesRefresh(t *testing.T) {
	db, _, sessions, users := open(t)
	var tokens []string
	for range 8 {
		tokens = append(tokens, signIn(t, sessions).Refresh)
	}
	var wg sync.WaitGroup
	next := make([]string, len(tokens))
	for i, token := range tokens {
		wg.Go(func() {
			got, err := sessions.Refresh(t.Context(), token)
			if err != nil && !invalid(err) && problem.CodeOf(err) != "banned" {
				t.Error(err)
			}
			next[i] = got.Refresh
		})
	}
	wg.Go(func() { users.ban(t, sessions) })
	wg.Wait()
	for _, token := range slices.Concat(next, tokens) {
		if _, err := sessions.Refresh(t.Context(), token); err == nil {
			t.Error("a refresh token outlived the ban")
		}
	}
	var alive int64
	if err := db.Raw("SELECT count(*) FROM sessions WHERE ended_at IS NULL").Scan(&alive).Error; err != nil || alive != 0 {
		t.Errorf("%d sessions outlived the ban, %v", alive, err)
	}
}

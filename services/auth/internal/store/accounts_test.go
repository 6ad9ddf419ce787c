package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/auth/internal/store"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/problem"
)

// recordingSigner is a signer that records what it signs.
type recordingSigner struct {
	mu   sync.Mutex
	last struct {
		session auth.Session
		at      time.Time
		until   time.Time
	}
}

func (i *recordingSigner) Sign(s auth.Session, at time.Time, lifetime time.Duration) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last.session, i.last.at, i.last.until = s, at, at.Add(lifetime)
	return s.ID, nil
}

func service(s *store.Store, users auth.Users, signer auth.Signer, l auth.Lifetimes) *auth.Service {
	return auth.NewService(users, signer, s, &fakeIDs{}, []byte("secret"), func() time.Duration { return time.Minute },
		func() auth.Lifetimes { return l })
}

// void reports whether a gateway would now reject a token of account 7 that was issued at at.
func void(t *testing.T, s *store.Store, at time.Time) bool {
	t.Helper()
	list, err := s.Revocations(t.Context(), time.Time{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Items {
		if r.Kind == authv1.KindUser && r.Subject == "7" {
			return at.UnixMilli() < r.NotBefore
		}
	}
	return false
}

// Whether auth is told of a change of roles or sees it at a sign-in: tokens with the old roles become void, later ones
// do not.
func TestAChangeOfRolesVoidsOlderTokens(t *testing.T) {
	ways := map[string]func(ctx context.Context, sessions *auth.Service) error{
		"told": func(ctx context.Context, sessions *auth.Service) error { return sessions.ApplyAccountState(ctx, "7") },
		"sign-in": func(ctx context.Context, sessions *auth.Service) error {
			_, err := sessions.SignIn(ctx, "a@b.c", "x")
			return err
		},
	}
	for name, learn := range ways {
		t.Run(name, func(t *testing.T) {
			_, s, _, users := open(t)
			var signer recordingSigner
			sessions := service(s, users, &signer, auth.Lifetimes{Refresh: time.Hour, Session: time.Hour})
			users.set([]string{"admin", "customer"}, false, 1)
			signIn(t, sessions)
			before := signer.last.at
			users.set([]string{"customer"}, false, 2)
			if err := learn(t.Context(), sessions); err != nil {
				t.Fatal(err)
			}
			if !void(t, s, before) {
				t.Error("the token with the admin role is still valid")
			}
			signIn(t, sessions)
			if got := signer.last.session.Roles; len(got) != 1 || got[0] != "customer" || void(t, s, signer.last.at) {
				t.Errorf("a new token has roles %v, void %v; want customer only", got, void(t, s, signer.last.at))
			}
		})
	}
}

// Version numbers do not matter: user's database may have been restored to an earlier state, and events may carry any
// version.
func TestABanWithALowerVersionTakesEffect(t *testing.T) {
	_, _, sessions, users := open(t)
	users.set([]string{"customer"}, false, 1<<62)
	first := signIn(t, sessions)
	users.set([]string{"customer"}, true, 3)
	if err := sessions.ApplyAccountState(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Refresh(t.Context(), first.Refresh); !invalid(err) {
		t.Errorf("refresh: %v, want refused", err)
	}
	if _, err := sessions.SignIn(t.Context(), "a@b.c", "x"); problem.CodeOf(err) != "banned" {
		t.Errorf("sign-in: %v, want banned", err)
	}
	users.set([]string{"customer"}, false, 2) // restored again, to a state before the ban
	if _, err := sessions.SignIn(t.Context(), "a@b.c", "x"); err != nil {
		t.Errorf("sign-in after the ban has disappeared: %v", err)
	}
}

// An answer of user that was requested before a change may arrive after it. It is not used.
func TestAnOutdatedAnswerOfUserIsNotUsed(t *testing.T) {
	_, s, sessions, users := open(t)
	signIn(t, sessions)
	revision, err := s.Revision(t.Context(), "7")
	if err != nil {
		t.Fatal(err)
	}
	old := users.now
	users.ban(t, sessions)
	if ok, err := s.Learn(t.Context(), old, revision, time.Hour); ok || err != nil {
		t.Errorf("an answer from before the ban: used %v, %v", ok, err)
	}
	if _, err := sessions.SignIn(t.Context(), "a@b.c", "x"); problem.CodeOf(err) != "banned" {
		t.Errorf("sign-in: %v, want banned", err)
	}
}

// While user cannot be asked about a change, the access tokens are void and cannot be refreshed.
func TestTokensAreVoidUntilUserCanBeAsked(t *testing.T) {
	_, s, _, users := open(t)
	var signer recordingSigner
	sessions := service(s, users, &signer, auth.Lifetimes{Refresh: time.Hour, Session: time.Hour})
	first := signIn(t, sessions)
	users.set([]string{"customer", "seller"}, false, 2)
	users.down = true
	if err := sessions.ApplyAccountState(t.Context(), "7"); err == nil {
		t.Fatal("no error although user could not be asked")
	}
	if !void(t, s, signer.last.at) {
		t.Error("the earlier token is still valid")
	}
	if _, err := sessions.Refresh(t.Context(), first.Refresh); err == nil || invalid(err) {
		t.Errorf("refresh while user is down: %v, want an error that invites a retry", err)
	}
	users.down = false
	if _, err := sessions.Refresh(t.Context(), first.Refresh); err != nil || len(signer.last.session.Roles) != 2 ||
		void(t, s, signer.last.at) {
		t.Errorf("refresh: %v, roles %v", err, signer.last.session.Roles)
	}
}

// A session ends after its lifetime, however often it was refreshed, and none of its tokens lives longer.
func TestASessionEndsDespiteRefreshes(t *testing.T) {
	db, s, _, users := open(t)
	var signer recordingSigner
	sessions := service(s, users, &signer, auth.Lifetimes{Refresh: time.Hour, Session: 30 * time.Minute})
	tokens := signIn(t, sessions)
	if tokens.RefreshExpires > 30*time.Minute {
		t.Errorf("a refresh token for %s, in a session of 30m", tokens.RefreshExpires)
	}
	// half a minute is left
	if err := db.Exec("UPDATE sessions SET created_at = created_at - interval '1770 seconds'").Error; err != nil {
		t.Fatal(err)
	}
	tokens, err := sessions.Refresh(t.Context(), tokens.Refresh)
	if err != nil || tokens.AccessExpires > 30*time.Second || tokens.RefreshExpires > 30*time.Second {
		t.Fatalf("half a minute before the end: %+v, %v", tokens, err)
	}
	if signer.last.until.After(signer.last.session.Ends) {
		t.Errorf("an access token until %s in a session that ends at %s", signer.last.until, signer.last.session.Ends)
	}
	if err := db.Exec("UPDATE sessions SET created_at = created_at - interval '30 seconds'").Error; err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Refresh(t.Context(), tokens.Refresh); !invalid(err) {
		t.Errorf("after the end: %v, want refused", err)
	}
}

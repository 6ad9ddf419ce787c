package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/user"
)

func open(t *testing.T) (*gorm.DB, *store.Store) {
	t.Helper()
	db := postgrestest.Open(t, outbox.Migrations, store.Migrations)
	contractstest.CheckEventsAtEnd(t, db, "user")
	return db, store.New(db, outbox.New(db, "user", nil, slog.Default()))
}

func add(t *testing.T, s *store.Store, id, email string) {
	t.Helper()
	if err := s.Add(t.Context(), user.Register(id, email, "hash", time.Now())); err != nil {
		t.Fatal(err)
	}
}

func TestAnAccountIsFoundAsItWasCreated(t *testing.T) {
	_, s := open(t)
	at := time.Date(2026, 8, 23, 9, 30, 0, 118668983, time.FixedZone("CST", 8*3600))
	made := user.Register("1", "wei@example.org", "hash", at)
	if err := s.Add(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	found, err := s.Find(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := found.Snapshot().CreatedAt, made.Snapshot().CreatedAt; !got.Equal(want) ||
		want.Location() != time.UTC {
		t.Errorf("found: created at %v, want %v as at sign-up", got, want)
	}
}

func TestAnEmailHasOneAccount(t *testing.T) {
	_, s := open(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 10 {
		wg.Go(func() {
			err := s.Add(t.Context(), user.Register(fmt.Sprint(i+1), "a@b.c", "hash", time.Now()))
			mu.Lock()
			codes[problem.CodeOf(err)]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if codes[""] != 1 || codes["email_taken"] != 9 {
		t.Errorf("outcomes %v, want one account and nine email_taken", codes)
	}
}

// A change and its event commit together; a change without effect publishes nothing.
func TestEachChangeIsPublishedOnce(t *testing.T) {
	db, s := open(t)
	add(t, s, "1", "a@b.c")
	for range 2 {
		if _, err := s.Update(t.Context(), "1", func(u *user.User) (user.EventKind,
			error) {
			return u.SetRoles([]string{"seller", "customer"})
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(t.Context(), "1", func(u *user.User) (user.EventKind,
			error) {
			return u.Ban("stolen cards")
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Update(t.Context(), "1", func(u *user.User) (user.EventKind, error) { return u.Unban() }); err != nil {
		t.Fatal(err)
	}
	var published []string
	if err := db.Raw("SELECT type || ' ' || aggregate_version FROM outbox ORDER BY seq").Scan(&published).
		Error; err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(published) != "[mall.user.roles-changed.v1 2 mall.user.banned.v1 3 mall.user.unbanned.v1 4]" {
		t.Errorf("published %v", published)
	}
	u, err := s.FindByEmail(t.Context(), "a@b.c")
	if got := u.Snapshot(); err != nil || fmt.Sprintf("%v %v %q %d", got.Roles, got.Banned, got.BanReason,
		got.Version) != `[customer seller] false "" 4` {
		t.Errorf("account %+v, %v", got, err)
	}
}

// authDown is auth when it is unreachable.
type authDown struct{ asked int }

func (d *authDown) Revoke(context.Context, user.Snapshot) error {
	d.asked++
	return errors.New("auth is down")
}

// A ban whose call to auth fails takes effect nevertheless, and auth learns of it from the event.
func TestABanSucceedsWithoutAuth(t *testing.T) {
	db, s := open(t)
	add(t, s, "1", "a@b.c")
	auth := &authDown{}
	accounts := user.NewService(user.Deps{Store: s, Sessions: auth, Log: slog.New(slog.DiscardHandler)})
	u, err := accounts.Change(t.Context(), "1", func(u *user.User) (user.EventKind,
		error) {
		return u.Ban("stolen cards")
	})
	if err != nil || !u.Snapshot().Banned || auth.asked != 1 {
		t.Errorf("ban: %v, auth asked %d times", err, auth.asked)
	}
	var published string
	if err := db.Raw("SELECT type FROM outbox").Scan(&published).Error; err != nil || published != "mall.user.banned.v1" {
		t.Errorf("published %q, %v; want the ban", published, err)
	}
}

func TestUsersAreListedInPages(t *testing.T) {
	_, s := open(t)
	for i := range 5 {
		add(t, s, fmt.Sprint(i+1), fmt.Sprintf("u%d@b.c", i+1))
	}
	page, err := s.List(t.Context(), nil, "2", 2)
	if err != nil || len(page) != 2 || page[0].Snapshot().ID != "3" {
		t.Errorf("page %v, %v", page, err)
	}
	if one, err := s.List(t.Context(), []string{"u4@b.c"}, "", 10); err != nil || len(one) != 1 ||
		one[0].Snapshot().ID != "4" {
		t.Errorf("by email %v, %v", one, err)
	}
	if _, err := s.Find(t.Context(), "9"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("unknown: %v", err)
	}
}

package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/user"
)

func roles(names ...string) func(u *user.User) (user.EventKind, error) {
	return func(u *user.User) (user.EventKind, error) { return u.SetRoles(names) }
}

func banned(u *user.User) (user.EventKind, error) { return u.Ban("tests") }

func change(t *testing.T, s *store.Store, id string, how func(u *user.User) (user.EventKind, error)) {
	t.Helper()
	if _, err := s.Update(t.Context(), id, how); err != nil {
		t.Fatal(err)
	}
}

func wantAdmins(t *testing.T, s *store.Store, want int64) {
	t.Helper()
	if n, err := s.CountAdmins(t.Context()); err != nil || n != want {
		t.Errorf("%d admins, %v; want %d", n, err, want)
	}
}

func TestTheLastAdminStays(t *testing.T) {
	_, s := open(t)
	for i := range 3 {
		add(t, s, fmt.Sprint(i+1), fmt.Sprintf("u%d@b.c", i+1))
	}
	change(t, s, "1", roles("admin", "customer"))
	change(t, s, "2", roles("admin", "customer"))
	change(t, s, "2", banned) // a banned admin does not count
	for name, how := range map[string]func(u *user.User) (user.EventKind, error){"demoted": roles("customer"),
		"banned": banned} {
		if _, err := s.Update(t.Context(), "1", how); problem.CodeOf(err) != "last_admin" {
			t.Errorf("%s: %v, want last_admin", name, err)
		}
	}
	wantAdmins(t, s, 1)
	change(t, s, "1", roles("admin", "seller"))
	change(t, s, "3", roles("admin"))
	change(t, s, "1", banned)
	wantAdmins(t, s, 1)
}

// When two admins demote or ban each other at the same time, one of them stays.
func TestOfTwoAdminsWhoRemoveEachOtherOneStays(t *testing.T) {
	_, s := open(t)
	add(t, s, "1", "a@b.c")
	add(t, s, "2", "b@b.c")
	for round := range 10 {
		for _, id := range []string{"1", "2"} {
			change(t, s, id, func(u *user.User) (user.EventKind, error) { return u.Unban() })
			change(t, s, id, roles("admin", "customer"))
		}
		how := roles("customer")
		if round%2 == 1 {
			how = banned
		}
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, id := range []string{"1", "2"} {
			wg.Go(func() { _, errs[i] = s.Update(t.Context(), id, how) })
		}
		wg.Wait()
		if codes := problem.CodeOf(errs[0]) + problem.CodeOf(errs[1]); codes != "last_admin" ||
			(errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("%v and %v, want one of them refused", errs[0], errs[1])
		}
		wantAdmins(t, s, 1)
	}
}

type fakeSecret string

func (v fakeSecret) FirstAdmin(context.Context) (string, error) { return string(v), nil }

// The secret makes one account the first admin, once. No email address alone makes anybody admin.
func TestTheSecretAppointsTheFirstAdmin(t *testing.T) {
	db, s := open(t)
	for i := range 4 {
		add(t, s, fmt.Sprint(i+1), fmt.Sprintf("u%d@b.c", i+1))
	}
	service := func(secret string) *user.Service {
		return user.NewService(user.Deps{Store: s, Sessions: &authDown{}, Secrets: fakeSecret(secret),
			Log: slog.New(slog.DiscardHandler)})
	}
	refused := func(what string, u *user.Service, id, secret, code string) {
		t.Helper()
		if _, err := u.AppointFirstAdmin(t.Context(), id, secret); problem.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
	}
	refused("no secret was made", service(""), "1", "", "wrong_secret")
	refused("a wrong one", service("s3cret"), "1", "S3cret", "wrong_secret")
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 4 {
		wg.Go(func() {
			_, err := service("s3cret").AppointFirstAdmin(t.Context(), fmt.Sprint(i+1), "s3cret")
			mu.Lock()
			defer mu.Unlock()
			codes[problem.CodeOf(err)]++
		})
	}
	wg.Wait()
	if codes[""] != 1 || codes["admin_exists"] != 3 {
		t.Errorf("four at once: %v, want one admin", codes)
	}
	wantAdmins(t, s, 1)
	// an operator removes the last admin by hand
	if err := db.Exec(`UPDATE users SET roles = '["customer"]'`).Error; err != nil {
		t.Fatal(err)
	}
	refused("the same secret again", service("s3cret"), "2", "s3cret", "secret_used")
	if u, err := service("another").AppointFirstAdmin(t.Context(), "2", "another"); err != nil || !u.Snapshot().Rules() {
		t.Errorf("a new secret: %v", err)
	}
}

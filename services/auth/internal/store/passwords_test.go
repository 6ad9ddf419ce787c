package store_test

import (
	"testing"
	"time"

	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/problem"
)

// A new password ends every session except the one in which it was changed, whose tokens stay valid. A reset ends all
// sessions.
func TestANewPasswordEndsTheOtherSessions(t *testing.T) {
	_, s, sessions, users := open(t)
	kept, other := signIn(t, sessions), signIn(t, sessions) // sessions 1 and 2
	users.now.PasswordID, users.now.KeptSession = "80", "1"
	if err := sessions.ApplyAccountState(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Refresh(t.Context(), other.Refresh); !invalid(err) {
		t.Errorf("another session: %v, want it ended", err)
	}
	kept, err := sessions.Refresh(t.Context(), kept.Refresh)
	if err != nil {
		t.Errorf("the session in which it was changed: %v", err)
	}
	list, err := s.Revocations(t.Context(), time.Time{}, "", 0)
	if err != nil || len(list.Items) != 1 || list.Items[0].Kind != authv1.KindSession || list.Items[0].Subject != "2" {
		t.Errorf("revoked %+v, %v; want session 2 alone", list.Items, err)
	}
	users.now.PasswordID, users.now.KeptSession = "81", ""
	if err := sessions.ApplyAccountState(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Refresh(t.Context(), kept.Refresh); !invalid(err) {
		t.Errorf("after a reset: %v, want it ended", err)
	}
}

// A sign-in is refused if the password changed after user accepted the old one.
func TestTheOldPasswordOpensNoSession(t *testing.T) {
	_, s, sessions, users := open(t)
	signIn(t, sessions)
	before := users.now
	users.now.PasswordID = "80"
	if err := sessions.ApplyAccountState(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	users.signIn = &before // user's answer was under way
	if _, err := sessions.SignIn(t.Context(), "a@b.c", "x"); err == nil {
		t.Error("signed in with the old password")
	}
	if open, err := s.List(t.Context(), "7", "", 10, time.Hour); err != nil || len(open) != 0 {
		t.Errorf("open sessions %v, %v", open, err)
	}
}

// Users see and end only their own sessions.
func TestUsersSeeAndEndOnlyTheirOwnSessions(t *testing.T) {
	_, s, sessions, _ := open(t)
	for range 3 {
		signIn(t, sessions)
	}
	list, err := sessions.Sessions(t.Context(), "7", "", 2)
	if err != nil || len(list) != 2 || list[0].ID != "3" || list[0].Created.IsZero() ||
		!list[0].Ends.After(list[0].LastUsed) {
		t.Errorf("sessions %+v, %v", list, err)
	}
	if err := sessions.EndSession(t.Context(), "8", "3"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("of another user: %v, want not found", err)
	}
	if err := sessions.EndSession(t.Context(), "7", "3"); err != nil {
		t.Fatal(err)
	}
	if err := sessions.EndSession(t.Context(), "7", "3"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("an ended session: %v, want not found", err)
	}
	if list, err := s.List(t.Context(), "7", "", 10, time.Hour); err != nil || len(list) != 2 {
		t.Errorf("left %+v, %v", list, err)
	}
}

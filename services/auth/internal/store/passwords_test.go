package store_test

import (
	"testing"
	"time"

	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/problem"
)

// A new password ends every session but the one it was changed in, whose tokens stay valid; a reset ends all.
func TestANewPasswordEndsTheOtherSessions(t *testing.T) {
	_, s, sessions, who := open(t)
	kept, other := signIn(t, sessions), signIn(t, sessions) // sessions 1 and 2
	who.now.PasswordID, who.now.KeptSession = "80", "1"
	if err := sessions.ApplyAccountState(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Refresh(t.Context(), other.Refresh); !invalid(err) {
		t.Errorf("another session: %v, want it ended", err)
	}
	kept, err := sessions.Refresh(t.Context(), kept.Refresh)
	if err != nil {
		t.Errorf("the session it was changed in: %v", err)
	}
	list, err := s.Revocations(t.Context(), time.Time{}, "", 0)
	if err != nil || len(list.Items) != 1 || list.Items[0].Kind != authv1.KindSession || list.Items[0].Subject != "2" {
		t.Errorf("revoked %+v, %v; want session 2 alone", list.Items, err)
	}
	who.now.PasswordID, who.now.KeptSession = "81", ""
	if err := sessions.ApplyAccountState(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Refresh(t.Context(), kept.Refresh); !invalid(err) {
		t.Errorf("after a reset: %v, want it ended", err)
	}
}

// A sign-in whose old password was accepted a moment before it changed is refused.
func TestTheOldPasswordOpensNothing(t *testing.T) {
	_, s, sessions, who := open(t)
	signIn(t, sessions)
	before := who.now
	who.now.PasswordID = "80"
	if err := sessions.ApplyAccountState(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	who.signIn = &before // user's answer was on its way
	if _, err := sessions.SignIn(t.Context(), "a@b.c", "x"); err == nil {
		t.Error("signed in with the old password")
	}
	if open, err := s.List(t.Context(), "7", "", 10, time.Hour); err != nil || len(open) != 0 {
		t.Errorf("open sessions %v, %v", open, err)
	}
}

// Everybody sees and ends their own sessions only.
func TestOwnSessions(t *testing.T) {
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
		t.Errorf("somebody else's: %v, want it missing", err)
	}
	if err := sessions.EndSession(t.Context(), "7", "3"); err != nil {
		t.Fatal(err)
	}
	if err := sessions.EndSession(t.Context(), "7", "3"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("one that has ended: %v, want it missing", err)
	}
	if list, err := s.List(t.Context(), "7", "", 10, time.Hour); err != nil || len(list) != 2 {
		t.Errorf("left %+v, %v", list, err)
	}
}

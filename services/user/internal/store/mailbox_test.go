package store_test

import "testing"

// One mailbox is one account, however its domain is written.
func TestAMailboxHasOneAccount(t *testing.T) {
	_, s, users, box := accounts(t)
	const unicode, ascii, wide = "wei@bücher.example", "wei@xn--bcher-kva.example", "wei@Ｂücher.example"
	u, err := users.Register(t.Context(), ascii, "violet canyon 83")
	must(t, err)
	if got := u.Snapshot().Email; got != unicode {
		t.Errorf("kept as %q, want %q", got, unicode)
	}
	// Kept by an earlier version, which did not know that they are the same.
	add(t, s, "7", "old@xn--bcher-kva.example")
	for email, id := range map[string]string{unicode: u.Snapshot().ID, ascii: u.Snapshot().ID, wide: u.Snapshot().ID,
		"old@bücher.example": "7", "old@xn--bcher-kva.example": "7"} {
		_, err := users.Register(t.Context(), email, "violet canyon 84")
		wantCode(t, "a second account for "+email, err, "email_taken")
		found, err := users.List(t.Context(), email, "", 10)
		if err != nil || len(found) != 1 || found[0].Snapshot().ID != id {
			t.Errorf("the list with %q has %d accounts, %v", email, len(found), err)
		}
		before := len(box.sent)
		must(t, users.AskReset(t.Context(), email))
		must(t, users.SendMails(t.Context()))
		if len(box.sent) != before+1 {
			t.Errorf("%q gets %d mails, want one", email, len(box.sent)-before)
		}
	}
	if _, err := users.Verify(t.Context(), wide, "violet canyon 83"); err != nil {
		t.Errorf("sign in as %q: %v", wide, err)
	}
	_, err = users.Register(t.Context(), "ｗｅｉ@bücher.example", "violet canyon 83")
	wantCode(t, "wide letters in the name", err, "validation_failed")
}

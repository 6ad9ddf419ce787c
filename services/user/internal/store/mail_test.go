package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/mailbox"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/user"
)

// plainHasher is a hasher that does not hide the password.
type plainHasher struct{}

func (plainHasher) Hash(_ context.Context, password string) (string, error) {
	return "h:" + password, nil
}

func (plainHasher) Verify(_ context.Context, hash, password string) (bool, error) {
	return hash == "h:"+password, nil
}

// fakeMailer is a mailer that records mails, or fails.
type fakeMailer struct {
	mu   sync.Mutex
	sent []user.Mail
	down bool
}

func (p *fakeMailer) Send(_ context.Context, m user.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return errors.New("no mail today")
	}
	p.sent = append(p.sent, m)
	return nil
}

var code = regexp.MustCompile(`<code>([^<]+)</code>`)

func (p *fakeMailer) code(t *testing.T) string {
	t.Helper()
	if len(p.sent) == 0 {
		t.Fatal("no mail was sent")
	}
	return code.FindStringSubmatch(p.sent[len(p.sent)-1].HTML)[1]
}

type fakeIDs struct{ n atomic.Int64 }

func (n *fakeIDs) Next() (string, error) { return fmt.Sprint(100 + n.n.Add(1)), nil }

func accounts(t *testing.T) (*gorm.DB, *store.Store, *user.Service, *fakeMailer) {
	t.Helper()
	db, s := open(t)
	box := &fakeMailer{}
	return db, s, user.NewService(user.Deps{Store: s, Hasher: plainHasher{},
		Weak: func(p, _ string) bool { return p == "easy to guess" }, Sessions: &authDown{},
		Mailer: box, Forms: mailbox.Forms, MailLink: func() string { return "https://mall.example/account" },
		IDs: &fakeIDs{}, Log: slog.New(slog.DiscardHandler)}), box
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if problem.CodeOf(err) != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// A mailed token sets a new password, once. A request for an email without an account sends no mail, and is answered in
// the same way.
func TestAPasswordIsResetByMail(t *testing.T) {
	db, s, users, box := accounts(t)
	add(t, s, "1", "a@b.c")
	must(t, users.AskReset(t.Context(), " A@b.c"))
	must(t, users.AskReset(t.Context(), "nobody@b.c"))
	must(t, users.SendMails(t.Context()))
	if len(box.sent) != 1 || box.sent[0].To != "a@b.c" {
		t.Fatalf("sent %+v, want one mail to the account", box.sent)
	}
	token := box.code(t)
	wantCode(t, "a token for something else", users.VerifyEmail(t.Context(), token), "invalid_token")
	wantCode(t, "a weak password", users.ResetPassword(t.Context(), token, "easy to guess"), "validation_failed")
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 5 {
		wg.Go(func() {
			if err := users.ResetPassword(t.Context(), token, fmt.Sprintf("a new password %d", i)); err == nil {
				done.Add(1)
			} else {
				wantCode(t, "the same token at once", err, "invalid_token")
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Errorf("the token worked %d times", done.Load())
	}
	u, err := s.Find(t.Context(), "1")
	if got := u.Snapshot(); err != nil || !got.EmailVerified || got.PasswordID == "" || got.KeptSession != "" ||
		got.Version != 2 {
		t.Errorf("account %+v, %v", got, err)
	}
	must(t, users.AskReset(t.Context(), "a@b.c"))
	must(t, users.SendMails(t.Context()))
	must(t, db.Exec("UPDATE mail_tokens SET expires_at = now()").Error)
	wantCode(t, "an expired token", users.ResetPassword(t.Context(), box.code(t), "another password"), "invalid_token")
	for _, bad := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		wantCode(t, bad, users.ResetPassword(t.Context(), bad, "another password"), "invalid_token")
	}
	var left int64
	if err := db.Raw("SELECT count(*) FROM mail_requests").Scan(&left).Error; err != nil || left != 0 {
		t.Errorf("%d mails are not sent yet, %v", left, err)
	}
}

func TestAnEmailIsVerifiedByMail(t *testing.T) {
	_, s, users, box := accounts(t)
	atSignUp := user.NewService(user.Deps{Store: s, Hasher: plainHasher{},
		Weak:           func(string, string) bool { return false },
		Forms:          mailbox.Forms,
		IDs:            &fakeIDs{},
		VerifyAtSignUp: func() bool { return true }})
	if _, err := atSignUp.Register(t.Context(), "new@b.c", "the password"); err != nil {
		t.Fatal(err)
	}
	add(t, s, "1", "a@b.c")
	must(t, users.SendMails(t.Context()))
	if len(box.sent) != 1 || box.sent[0].To != "new@b.c" {
		t.Errorf("at sign-up: sent %+v", box.sent)
	}
	must(t, users.AskVerification(t.Context(), "1"))
	must(t, users.SendMails(t.Context()))
	token := box.code(t)
	wantCode(t, "a reset with it", users.ResetPassword(t.Context(), token, "a new password"), "invalid_token")
	must(t, users.VerifyEmail(t.Context(), token))
	if u, err := s.Find(t.Context(), "1"); err != nil || !u.Snapshot().EmailVerified {
		t.Errorf("not verified, %v", err)
	}
	wantCode(t, "once more", users.VerifyEmail(t.Context(), token), "invalid_token")
	wantCode(t, "a mail for a verified email", users.AskVerification(t.Context(), "1"), "already_verified")
}

// A mailer that fails loses no mail, one that hangs delays only its own mail, and no address gets too many mails.
func TestMailsAreRetriedAndLimited(t *testing.T) {
	db, s, users, box := accounts(t)
	add(t, s, "1", "a@b.c")
	box.down = true
	must(t, users.AskReset(t.Context(), "a@b.c"))
	must(t, users.SendMails(t.Context()))
	box.down = false
	must(t, users.SendMails(t.Context())) // not due yet
	if len(box.sent) != 0 {
		t.Error("retried without a pause")
	}
	must(t, db.Exec("UPDATE mail_requests SET next_at = now()").Error)
	must(t, users.SendMails(t.Context()))
	must(t, users.ResetPassword(t.Context(), box.code(t), "a new password"))
	box.sent = nil // mails whose token was used do not count
	for range 10 {
		must(t, users.AskReset(t.Context(), "a@b.c"))
		must(t, users.SendMails(t.Context()))
	}
	if len(box.sent) != 5 {
		t.Errorf("%d mails in an hour, want 5", len(box.sent))
	}
}

// While a mailer fails, no mail is lost, and failed attempts do not count towards the hourly limit.
func TestUnsentMailsDoNotCountTowardsTheLimit(t *testing.T) {
	db, s, users, box := accounts(t)
	add(t, s, "1", "a@b.c")
	box.down = true
	must(t, users.AskReset(t.Context(), "a@b.c"))
	for range 7 {
		must(t, db.Exec("UPDATE mail_requests SET next_at = now()").Error)
		must(t, users.SendMails(t.Context()))
	}
	box.down = false
	must(t, db.Exec("UPDATE mail_requests SET next_at = now()").Error)
	must(t, users.SendMails(t.Context()))
	must(t, users.ResetPassword(t.Context(), box.code(t), "a new password"))
}

func TestChangingAPasswordNeedsTheOldOne(t *testing.T) {
	_, s, users, _ := accounts(t)
	u, err := users.Register(t.Context(), "a@b.c", "the old password")
	must(t, err)
	id := u.Snapshot().ID
	wantCode(t, "a wrong one", users.ChangePassword(t.Context(), id, "5", "a wrong password", "the new password"),
		"wrong_password")
	wantCode(t, "a weak one", users.ChangePassword(t.Context(), id, "5", "the old password", "easy to guess"),
		"validation_failed")
	must(t, users.ChangePassword(t.Context(), id, "5", "the old password", "the new password"))
	if u, err = s.Find(t.Context(), id); err != nil || u.Snapshot().KeptSession != "5" || u.Snapshot().PasswordID == "" {
		t.Errorf("account %+v, %v", u.Snapshot(), err)
	}
	if _, err := users.Verify(t.Context(), "a@b.c", "the new password"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, err := users.Verify(t.Context(), "a@b.c", "the old password"); !errors.Is(err, user.ErrInvalidCredentials) {
		t.Errorf("the old password: %v", err)
	}
}

func TestAccountsThatCannotBeDeleted(t *testing.T) {
	_, s, users, _ := accounts(t)
	u, err := users.Register(t.Context(), "a@b.c", "the old password")
	must(t, err)
	id := u.Snapshot().ID
	wantCode(t, "with a wrong password", users.DeleteAccount(t.Context(), id, "a wrong password"), "wrong_password")
	change(t, s, id, roles("customer", "seller"))
	wantCode(t, "a seller", users.DeleteAccount(t.Context(), id, "the old password"), "seller_account")
	change(t, s, id, roles("customer"))
	change(t, s, id, banned)
	wantCode(t, "a banned account, whose email would be free again",
		users.DeleteAccount(t.Context(), id, "the old password"),
		"banned")
	change(t, s, id, (*user.User).Unban)
	change(t, s, id, roles("admin", "customer"))
	wantCode(t, "the last admin", users.DeleteAccount(t.Context(), id, "the old password"), "last_admin")
}

// Of a deleted account only the event of its deletion is left, and its email may sign up again.
func TestNothingOfADeletedAccountIsLeft(t *testing.T) {
	db, s, users, _ := accounts(t)
	u, err := users.Register(t.Context(), "a@b.c", "the old password")
	must(t, err)
	id := u.Snapshot().ID
	must(t, users.AskReset(t.Context(), "a@b.c"))
	must(t, users.SendMails(t.Context()))
	must(t, users.AskReset(t.Context(), "a@b.c"))
	must(t, users.DeleteAccount(t.Context(), id, "the old password"))
	if _, err := s.Find(t.Context(), id); problem.KindOf(err) != problem.NotFound {
		t.Errorf("found: %v", err)
	}
	var left int64
	if err := db.Raw("SELECT (SELECT count(*) FROM mail_tokens) + (SELECT count(*) FROM mail_requests)").Scan(&left).
		Error; err != nil || left != 0 {
		t.Errorf("%d rows of mails are left, %v", left, err)
	}
	var published []string
	if err := db.Raw("SELECT type FROM outbox ORDER BY seq").Scan(&published).Error; err != nil ||
		fmt.Sprint(published) != "[mall.user.deleted.v1]" {
		t.Errorf("published %v, %v", published, err)
	}
	if _, err := users.Register(t.Context(), "a@b.c", "the old password"); err != nil {
		t.Errorf("signing up again: %v", err)
	}
}

// With a token that was still valid, data may be stored after the deletion was published. So it is published again.
func TestADeletionIsPublishedAgain(t *testing.T) {
	db, _, users, _ := accounts(t)
	u, err := users.Register(t.Context(), "a@b.c", "the old password")
	must(t, err)
	must(t, users.DeleteAccount(t.Context(), u.Snapshot().ID, "the old password"))
	published := func(what string, want int64) {
		t.Helper()
		must(t, users.RepublishDeletions(t.Context()))
		var n, versions int64
		must(t, db.Raw("SELECT count(*), count(DISTINCT aggregate_version) FROM outbox WHERE type = 'mall.user.deleted.v1'").
			Row().Scan(&n, &versions))
		if n != want || versions != want {
			t.Errorf("%s: published %d times, %d versions, want %d", what, n, versions, want)
		}
	}
	published("at once", 1)
	must(t, db.Exec("UPDATE deletions_to_tell SET due_at = due_at - interval '2 minutes'").Error)
	published("when no request can be on its way", 2)
	must(t, db.Exec("UPDATE deletions_to_tell SET due_at = due_at - interval '26 hours'").Error)
	published("when no token can be alive", 3)
	published("then never", 3)
}

// Two accounts cannot have emails that look the same, such as with a decomposed accent or full-width letters.
func TestNoTwoAccountsLookAlike(t *testing.T) {
	_, _, users, _ := accounts(t)
	for email, want := range map[string]string{"m\u00fcller@mall.example": "",
		"mu\u0308ller@mall.example": "validation_failed", "\uff57ei@mall.example": "validation_failed"} {
		_, err := users.Register(t.Context(), email, "violet canyon 83")
		wantCode(t, email, err, want)
	}
}

package user

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"strings"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Purpose is what a mail is for.
type Purpose string

// The purposes of mails.
const (
	Reset  Purpose = "reset"  // sets a new password
	Verify Purpose = "verify" // shows that the email is the user's
)

const (
	resetFor  = 30 * time.Minute
	verifyFor = 48 * time.Hour
	// mailsAnHour bounds the mails of one account and purpose, from whatever address they are requested.
	mailsAnHour = 5
	// mailTries bounds the attempts to send a mail: over twenty minutes, with growing pauses.
	mailTries = 8
)

// Mail is what the mailer sends.
type Mail struct {
	To, Subject, HTML string
	Name              string // identifies the mail
}

// Mailer sends mails.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

// MailRequest is a mail to be sent.
type MailRequest struct {
	ID       int64
	Email    string
	Purpose  Purpose
	Attempts int
}

// Mails keeps requests for mails, and the mailed tokens (hashed).
type Mails interface {
	// AskMail records that a mail is wanted, once per email and purpose.
	AskMail(ctx context.Context, email string, p Purpose) error
	// NextMail leases one mail that is due for a minute; nil if none is.
	NextMail(ctx context.Context) (*MailRequest, error)
	// MailDone removes a request; MailLater schedules another attempt.
	MailDone(ctx context.Context, id int64) error
	MailLater(ctx context.Context, id int64, pause time.Duration) error
	// AddToken keeps a token for the account, or returns false if too many were sent in the last hour. TokenUnsent: this
	// one does not count, but is valid if it arrived after all.
	AddToken(ctx context.Context, userID, email string, p Purpose, hash []byte, lifetime time.Duration, anHour int) (bool,
		error)
	TokenUnsent(ctx context.Context, hash []byte) error
	// FindToken returns the account of a token, or invalid_token.
	FindToken(ctx context.Context, p Purpose, hash []byte) (*User, error)
	// UseToken consumes a token and changes its account in one transaction, or returns invalid_token.
	UseToken(ctx context.Context, p Purpose, hash []byte, change func(u *User, email string) (EventKind, error)) (*User,
		error)
	// ForgetMail removes what has expired.
	ForgetMail(ctx context.Context) error
}

// ErrInvalidToken is the same for an unknown, a used and an expired token.
var ErrInvalidToken = problem.New(problem.Invalid, "invalid_token",
	"This link or code is wrong, too old or was used already. Ask for a new mail.")

// AskReset requests a mail to reset the password of an email's account. It behaves the same if there is no such
// account.
func (s *Service) AskReset(ctx context.Context, email string) error {
	normal, ok := NormalEmail(email)
	if !ok {
		return problem.Validation(problem.Field{Field: "email", Message: "is not an email address"})
	}
	forms := s.allForms(normal)
	u, err := s.find(ctx, forms)
	switch {
	case err != nil:
		return err
	case u != nil:
		normal = u.s.Email
	default:
		normal = forms[0]
	}
	return s.store.AskMail(ctx, normal, Reset)
}

// AskVerification requests a mail that verifies the account's email.
func (s *Service) AskVerification(ctx context.Context, userID string) error {
	u, err := s.store.Find(ctx, userID)
	if err != nil {
		return err
	}
	if u.s.EmailVerified {
		return problem.New(problem.Conflict, "already_verified", "This email is verified.")
	}
	return s.store.AskMail(ctx, u.s.Email, Verify)
}

// VerifyEmail verifies an email with a mailed token.
func (s *Service) VerifyEmail(ctx context.Context, token string) error {
	hash, err := hashToken(token)
	if err != nil {
		return err
	}
	_, err = s.store.UseToken(ctx, Verify, hash, func(u *User, email string) (EventKind, error) {
		if u.s.Email != email {
			return None, ErrInvalidToken
		}
		u.s.EmailVerified = true
		return None, nil
	})
	return err
}

// ResetPassword sets a new password with a mailed token, and ends all sessions. Reading the mail also proves the email.
func (s *Service) ResetPassword(ctx context.Context, token, password string) error {
	hash, err := hashToken(token)
	if err != nil {
		return err
	}
	u, err := s.store.FindToken(ctx, Reset, hash) // before the hashing, which is slow
	if err != nil {
		return err
	}
	if fields := s.weak.check("password", password, u.s.Email); len(fields) > 0 {
		return problem.Validation(fields...)
	}
	change, err := s.newPassword(ctx, password, "")
	if err != nil {
		return err
	}
	if u, err = s.store.UseToken(ctx, Reset, hash, func(u *User, email string) (EventKind, error) {
		if u.s.Email == email {
			u.s.EmailVerified = true
		}
		return change(u)
	}); err != nil {
		return err
	}
	s.tell(ctx, u)
	return nil
}

func hashToken(token string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 32 {
		return nil, ErrInvalidToken
	}
	sum := sha256.Sum256(raw)
	return sum[:], nil
}

// SendMails sends what is due.
func (s *Service) SendMails(ctx context.Context) error {
	for {
		r, err := s.store.NextMail(ctx)
		if err != nil || r == nil {
			return err
		}
		if err := s.sendMail(ctx, *r); err != nil {
			s.log.WarnContext(ctx, "mail not sent", "purpose", r.Purpose, "attempt", r.Attempts, "error", err)
			if r.Attempts < mailTries {
				if err := s.store.MailLater(ctx, r.ID, time.Second<<r.Attempts*5); err != nil {
					return err
				}
				continue
			}
		}
		if err := s.store.MailDone(ctx, r.ID); err != nil {
			return err
		}
	}
}

// sendMail sends a mail to the account of an email, if there is one.
func (s *Service) sendMail(ctx context.Context, r MailRequest) error {
	u, err := s.store.FindByEmail(ctx, r.Email)
	if problem.KindOf(err) == problem.NotFound || !mailable(r.Email) {
		return nil
	}
	if err != nil {
		return err
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	sum := sha256.Sum256(raw)
	lifetime, subject, text := resetFor, "Set a new password",
		"Somebody, hopefully you, asked to set a new password for the mall account"
	if r.Purpose == Verify {
		lifetime, subject, text = verifyFor, "Is this your email?", "Please confirm the email of the mall account"
	}
	ok, err := s.store.AddToken(ctx, u.s.ID, r.Email, r.Purpose, sum[:], lifetime, mailsAnHour)
	if err != nil || !ok {
		return err
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	body := fmt.Sprintf("<p>%s %s. The code is good for %s and works once:</p>\n<p><code>%s</code></p>\n", text,
		html.EscapeString(r.Email), lifetime, token)
	if base := s.mailLink(); base != "" {
		body += fmt.Sprintf("<p><a href=\"%s/%s#%s\">%s</a></p>\n", html.EscapeString(strings.TrimSuffix(base, "/")),
			r.Purpose, token, subject)
	}
	body += "<p>If it was not you, ignore this mail: nothing changes.</p>\n"
	err = s.mailer.Send(ctx, Mail{To: r.Email, Subject: subject, HTML: body,
		Name: fmt.Sprintf("%s-%x", r.Purpose, sum[:8])})
	if err != nil {
		return errors.Join(err, s.store.TokenUnsent(ctx, sum[:]))
	}
	return nil
}

// ForgetMail removes what has expired.
func (s *Service) ForgetMail(ctx context.Context) error { return s.store.ForgetMail(ctx) }

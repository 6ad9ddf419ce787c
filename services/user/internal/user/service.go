package user

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Store keeps accounts; a change and its event commit together.
type Store interface {
	// Add keeps a new account; email_taken if its email has one.
	Add(ctx context.Context, u *User) error
	Find(ctx context.Context, id string) (*User, error)
	FindByEmail(ctx context.Context, email string) (*User, error)
	Admins
	Mails
	// Delete removes an account unless allowed returns an error; ErrLastAdmin as with Update.
	Delete(ctx context.Context, id string, allowed func(u *User) error) (*User, error)
	// RepublishDeletions publishes the deletions that are due once more.
	RepublishDeletions(ctx context.Context) error
	// Update changes an account under its lock. ErrLastAdmin if the mall would have no admin left.
	Update(ctx context.Context, id string, change func(u *User) (EventKind, error)) (*User, error)
	// List returns accounts by id, those after the id after ("" for the first), all or those with one of the emails.
	List(ctx context.Context, emails []string, after string, limit int) ([]*User, error)
}

// Hasher hashes passwords slowly, a bounded number at once.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
	// Verify compares; against "" it takes as long and returns false, so that timing does not tell who has an account.
	Verify(ctx context.Context, hash, password string) (bool, error)
}

// Sessions informs auth of a ban or a change of roles at once; the event of the change does it again a moment later.
type Sessions interface {
	Revoke(ctx context.Context, u Snapshot) error
}

// IDs makes account ids.
type IDs interface{ Next() (string, error) }

// Deps are what the use cases need.
type Deps struct {
	Store  Store
	Hasher Hasher
	Weak   Weak
	// Forms returns the forms of an email, all of them the same mailbox: first the one to keep. An email without forms
	// cannot sign up.
	Forms    func(email string) []string
	Sessions Sessions
	Secrets  Secrets
	Mailer   Mailer
	MailLink func() string // the page that mails link to; "": mails contain a code
	// VerifyAtSignUp reports whether signing up sends a mail that verifies the email; otherwise the client asks for it.
	VerifyAtSignUp func() bool
	IDs            IDs
	Log            *slog.Logger
}

// Service has the use cases of accounts.
type Service struct {
	store    Store
	hasher   Hasher
	weak     Weak
	forms    func(email string) []string
	sessions Sessions
	secrets  Secrets
	mailer   Mailer
	mailLink func() string
	verifies func() bool
	ids      IDs
	log      *slog.Logger
	now      func() time.Time
}

// NewService connects the use cases with what they need.
func NewService(d Deps) *Service {
	return &Service{store: d.Store, hasher: d.Hasher, weak: d.Weak, forms: d.Forms, sessions: d.Sessions,
		secrets: d.Secrets,
		mailer:  d.Mailer, mailLink: d.MailLink, verifies: d.VerifyAtSignUp, ids: d.IDs, log: d.Log, now: time.Now}
}

// Register opens an account.
func (s *Service) Register(ctx context.Context, email, password string) (*User, error) {
	email, err := s.weak.CheckRegistration(email, password)
	if err != nil {
		return nil, err
	}
	forms := s.forms(email)
	if len(forms) == 0 {
		return nil, problem.Validation(problem.Field{Field: "email",
			Message: "has letters that look like others, or no host name"})
	}
	email = forms[0]
	other, err := s.find(ctx, forms[1:]) // from a time when other forms were kept
	if err != nil {
		return nil, err
	}
	if other != nil {
		return nil, ErrEmailTaken
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	id, err := s.ids.Next()
	if err != nil {
		return nil, err
	}
	u := Register(id, email, hash, s.now())
	if err := s.store.Add(ctx, u); err != nil {
		return nil, err
	}
	if s.verifies != nil && s.verifies() {
		if err := s.store.AskMail(ctx, email, Verify); err != nil { // the account exists and can ask for the mail again
			s.log.WarnContext(ctx, "no mail to verify the email", "user", id, "error", err)
		}
	}
	return u, nil
}

// ErrEmailTaken refuses a second account for an email.
var ErrEmailTaken = problem.New(problem.Conflict, "email_taken", "There is an account with this email.")

// allForms returns the forms in which an email may be kept: itself, if it could not sign up today.
func (s *Service) allForms(email string) []string {
	if forms := s.forms(email); len(forms) > 0 {
		return forms
	}
	return []string{email}
}

// find returns the account with one of the emails, nil if there is none.
func (s *Service) find(ctx context.Context, emails []string) (*User, error) {
	for _, email := range emails {
		u, err := s.store.FindByEmail(ctx, email)
		if err == nil || problem.KindOf(err) != problem.NotFound {
			return u, err
		}
	}
	return nil, nil //nolint:nilnil // documented
}

// ErrInvalidCredentials is the same for a wrong password and an unknown email.
var ErrInvalidCredentials = errors.New("invalid credentials")

// Verify returns the account with these credentials, or ErrInvalidCredentials.
func (s *Service) Verify(ctx context.Context, email, password string) (*User, error) {
	var u *User
	if normal, ok := NormalEmail(email); ok {
		var err error
		if u, err = s.find(ctx, s.allForms(normal)); err != nil {
			return nil, err
		}
	}
	hash := ""
	if u != nil {
		hash = u.s.PasswordHash
	}
	match, err := s.hasher.Verify(ctx, hash, password)
	if err != nil {
		return nil, err
	}
	if !match || u == nil {
		return nil, ErrInvalidCredentials
	}
	return u, nil
}

// Find returns an account.
func (s *Service) Find(ctx context.Context, id string) (*User, error) { return s.store.Find(ctx, id) }

// List returns accounts for an admin.
func (s *Service) List(ctx context.Context, email, after string, limit int) ([]*User, error) {
	var emails []string
	if email != "" {
		emails = s.allForms(email)
	}
	return s.store.List(ctx, emails, after, limit)
}

// Change changes an account and informs auth at once. If that call fails, the event informs auth.
func (s *Service) Change(ctx context.Context, id string, change func(u *User) (EventKind, error)) (*User, error) {
	kind := None
	u, err := s.store.Update(ctx, id, func(u *User) (EventKind, error) {
		var err error
		kind, err = change(u)
		return kind, err
	})
	if err != nil || kind == None {
		return u, err
	}
	s.tell(ctx, u)
	return u, nil
}

func (s *Service) tell(ctx context.Context, u *User) {
	if err := s.sessions.Revoke(ctx, u.s); err != nil {
		s.log.WarnContext(ctx, "auth could not be called at once, the event will tell it", "user", u.s.ID, "error", err)
	}
}

// Package user is the domain of accounts: who may sign in, with which roles, and who is banned.
package user

import (
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
)

// The roles an account can have.
var known = []string{"customer", "seller", "admin"}

// User is an account. Its state changes only through its methods.
type User struct {
	s Snapshot
}

// Snapshot is an account's whole state.
type Snapshot struct {
	ID           string
	Email        string
	PasswordHash string
	Roles        []string
	Banned       bool
	BanReason    string
	CreatedAt    time.Time
	Version      int64
	// EmailVerified: a mail sent there was read.
	EmailVerified bool
	// PasswordID identifies the password. Sessions opened with another one have ended, except KeptSession.
	PasswordID  string
	KeptSession string
}

// Has reports whether the account has a role.
func (s Snapshot) Has(role string) bool { return slices.Contains(s.Roles, role) }

// Restore makes an account from its snapshot.
func Restore(s Snapshot) *User { return &User{s} }

// Snapshot returns the account's state.
func (u *User) Snapshot() Snapshot { return u.s }

// NormalEmail returns the one form of an email address, in lower case. Invisible characters (a mark that turns the
// direction of writing, a space without width) are refused: two accounts would look the same.
func NormalEmail(raw string) (string, bool) {
	raw = strings.TrimSpace(raw)
	a, err := mail.ParseAddress(raw)
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	at := strings.LastIndex(raw, "@")
	if err != nil || a.Address != raw || len(raw) > 254 || strings.ContainsFunc(raw, unseen) || at > 64 ||
		!strings.Contains(raw[at:], ".") {
		return "", false
	}
	for label := range strings.SplitSeq(raw[at+1:], ".") { // net/mail checks the grammar of mail, not that of host names
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return "", false
		}
	}
	return strings.ToLower(raw), true
}

// mailable reports whether mail may be sent to an email: not if a mailer could read it as two addresses.
func mailable(email string) bool { return !strings.ContainsAny(email, " \",;:<>()[]\\") }

// Weak reports whether a password is easy to guess for somebody who knows the account's email.
type Weak func(password, email string) bool

// CheckRegistration returns what is wrong with the input of a sign-up.
func (weak Weak) CheckRegistration(email, password string) (string, error) {
	var fields []problem.Field
	normal, ok := NormalEmail(email)
	if !ok || !mailable(normal) {
		fields = append(fields, problem.Field{Field: "email", Message: "is not an email address"})
	}
	fields = append(fields, weak.check("password", password, normal)...)
	if len(fields) > 0 {
		return "", problem.Validation(fields...)
	}
	return normal, nil
}

// check returns what is wrong with a new password.
func (weak Weak) check(field, password, email string) []problem.Field {
	if n := utf8.RuneCountInString(password); n < 10 || n > 128 {
		return []problem.Field{{Field: field, Message: "must have 10 to 128 characters"}}
	}
	if weak(password, email) {
		return []problem.Field{{Field: field,
			Message: "is easy to guess: take several words, or more characters that follow no pattern"}}
	}
	return nil
}

// Register makes a customer's account. Its time is rounded to PostgreSQL's precision, so that the answer to the sign-up
// and later ones are the same.
func Register(id, email, passwordHash string, at time.Time) *User {
	at = at.UTC().Truncate(time.Microsecond)
	return &User{Snapshot{ID: id, Email: email, PasswordHash: passwordHash, Roles: []string{"customer"}, CreatedAt: at,
		Version: 1}}
}

// EventKind is a kind of change of an account.
type EventKind int

// The kinds of changes; None if nothing changed.
const (
	None EventKind = iota
	Banned
	Unbanned
	RolesChanged
	PasswordChanged
	Deleted
)

// SetRoles replaces all roles.
func (u *User) SetRoles(roles []string) (EventKind, error) {
	want := slices.Clone(roles)
	slices.Sort(want)
	want = slices.Compact(want)
	if len(want) == 0 || len(want) != len(roles) {
		return None, problem.Validation(problem.Field{Field: "roles", Message: "must name each role once, at least one"})
	}
	for _, r := range want {
		if !slices.Contains(known, r) {
			return None, problem.Validation(problem.Field{Field: "roles", Message: "knows only customer, seller and admin"})
		}
	}
	if slices.Equal(want, u.s.Roles) {
		return None, nil
	}
	u.s.Roles = want
	u.s.Version++
	return RolesChanged, nil
}

var reasonRule = text.Rule{Required: true, Most: 500, Lines: true}

// CheckReason returns the reason for a ban, or for lifting one, trimmed.
func CheckReason(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if bad := reasonRule.Check("reason", reason); bad != nil {
		return "", problem.Validation(bad...)
	}
	return reason, nil
}

// Ban closes the account.
func (u *User) Ban(reason string) (EventKind, error) {
	reason, err := CheckReason(reason)
	if err != nil {
		return None, err
	}
	if u.s.Banned {
		u.s.BanReason = reason
		return None, nil
	}
	u.s.Banned, u.s.BanReason = true, reason
	u.s.Version++
	return Banned, nil
}

// Unban opens the account again.
func (u *User) Unban() (EventKind, error) {
	if !u.s.Banned {
		return None, nil
	}
	u.s.Banned, u.s.BanReason = false, ""
	u.s.Version++
	return Unbanned, nil
}

// Delete marks the account as deleted.
func (u *User) Delete() EventKind {
	u.s.Version++
	return Deleted
}

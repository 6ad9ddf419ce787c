// Package userv1 is user's contract with other services: the events of accounts and its internal routes.
package userv1

import "time"

// Topic carries every event of an account, keyed by its id.
const Topic = "mall-users"

// Event types.
const (
	TypeBanned       = "mall.user.banned.v1"
	TypeUnbanned     = "mall.user.unbanned.v1"
	TypeRolesChanged = "mall.user.roles-changed.v1"
	TypePassword     = "mall.user.password-changed.v1" //nolint:gosec // the name of an event
	TypeDeleted      = "mall.user.deleted.v1"
)

// Banned says that an account may not be used any more; its tokens are void from At.
type Banned struct {
	UserID           string    `json:"user_id"`
	AggregateVersion int64     `json:"aggregate_version"`
	Roles            []string  `json:"roles"`
	At               time.Time `json:"at"`
}

// Unbanned says that an account may be used again.
type Unbanned struct {
	UserID           string    `json:"user_id"`
	AggregateVersion int64     `json:"aggregate_version"`
	Roles            []string  `json:"roles"`
	At               time.Time `json:"at"`
}

// RolesChanged has all roles of an account; access tokens with the old roles are void from At.
type RolesChanged struct {
	UserID           string    `json:"user_id"`
	AggregateVersion int64     `json:"aggregate_version"`
	Roles            []string  `json:"roles"`
	Banned           bool      `json:"banned"`
	At               time.Time `json:"at"`
}

// PasswordChanged says that an account has a new password: sessions opened with the old one have ended.
type PasswordChanged struct {
	UserID           string    `json:"user_id"`
	AggregateVersion int64     `json:"aggregate_version"`
	At               time.Time `json:"at"`
}

// Deleted says that an account is gone for good. Consumers erase personal data of the account; records that the law
// requires (orders, payments) stay, without names.
type Deleted struct {
	UserID           string    `json:"user_id"`
	AggregateVersion int64     `json:"aggregate_version"`
	At               time.Time `json:"at"`
}

// Paths of the internal routes.
const (
	PathVerify = "/internal/credentials/verify" // auth: are these the credentials of an account?
	PathGet    = "/internal/users/get"          // auth, product: an account as it is now
)

// VerifyRequest carries a sign-in's credentials.
type VerifyRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// Results of a verification. They are answers, not errors.
const (
	VerdictOK      = "ok"
	VerdictInvalid = "invalid"
	VerdictBanned  = "banned"
)

// VerifyAnswer has a user only for VerdictOK.
type VerifyAnswer struct {
	Verdict string `json:"verdict"`
	User    *User  `json:"user,omitempty"`
}

// GetRequest names an account.
type GetRequest struct {
	UserID string `json:"user_id"`
}

// GetAnswer has no user if the account does not exist.
type GetAnswer struct {
	User *User `json:"user,omitempty"`
}

// User is an account as other services see it.
type User struct {
	ID      string   `json:"id"`
	Roles   []string `json:"roles"`
	Banned  bool     `json:"banned"`
	Version int64    `json:"version"`
	// PasswordID changes with the password: a session that was opened with another one has ended, except KeptSession.
	PasswordID  string `json:"password_id,omitempty"`
	KeptSession string `json:"kept_session,omitempty"`
}

// Package authv1 is auth's contract with other services: public keys (identity.KeySet at /.well-known/jwks.json),
// revocations, and the call by which a ban takes effect at once.
package authv1

import "time"

// Paths of the internal routes.
const (
	PathRevocations = "/internal/revocations"        // gateway: GET ?since=<time>&limit=<n>&after=<next>
	PathRevoke      = "/internal/revocations/create" // user: POST, makes a change of an account take effect now
)

// Kinds of subjects of a revocation.
const (
	KindUser    = "user"    // every token of the user issued before NotBefore
	KindSession = "session" // every token of the session
)

// Revocation voids access tokens issued (iat) before NotBefore. It is listed until the last such token has expired.
type Revocation struct {
	Kind      string    `json:"kind"`
	Subject   string    `json:"subject"`
	NotBefore int64     `json:"not_before"` // unix milliseconds; a token issued (identity.User.IssuedAt) before it is void
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Revocations answers a poll: everything created since (RFC 3339), less an overlap of 60 s; without since, everything
// in force. Now is the time of auth's database: the next poll sends the Now of this poll's first answer as since.
type Revocations struct {
	Items []Revocation `json:"items"`
	Now   time.Time    `json:"now"`
	Next  string       `json:"next,omitempty"` // set if a limit was given and there may be more: send it as after
	// Keys are the ids of the valid signing keys. A token signed with any other key is void, even if it has not expired.
	Keys []string `json:"keys,omitempty"`
}

// RevokeRequest says that an account has changed. Auth uses only the user id and asks user for the account's present
// state (userv1.PathGet). It does at once what the account's events would do a moment later.
type RevokeRequest struct {
	UserID  string   `json:"user_id"`
	Version int64    `json:"version"`
	Roles   []string `json:"roles"`
	Banned  bool     `json:"banned"`
}

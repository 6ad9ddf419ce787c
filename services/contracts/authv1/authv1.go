// Package authv1 is what other services may know of sessions: public keys (identity.KeySet at /.well-known/jwks.json),
// revocations, and the call by which a ban takes effect at once.
package authv1

import "time"

// Paths of the peer routes.
const (
	PathRevocations = "/internal/revocations"        // gateway: GET ?since=<time>&limit=<n>&after=<next>
	PathRevoke      = "/internal/revocations/create" // user: POST, a change of an account takes effect now
)

// Subject kinds of a revocation.
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

// Revocations answers the poll: everything created since (RFC 3339), less an overlap of 60 s, and everything in force
// without since. Now is auth's database clock: the next poll asks since the Now of this one's first answer.
type Revocations struct {
	Items []Revocation `json:"items"`
	Now   time.Time    `json:"now"`
	Next  string       `json:"next,omitempty"` // asked with a limit: there may be more after it
	// Keys are the ids of the keys whose tokens are good. A token of any other is void, however long it would have lived.
	Keys []string `json:"keys,omitempty"`
}

// RevokeRequest says that an account has changed. Auth asks user what it is now (userv1.PathGet) and takes nothing else
// from the request than whom to ask about: it does at once what the events of the account do a moment later.
type RevokeRequest struct {
	UserID  string   `json:"user_id"`
	Version int64    `json:"version"`
	Roles   []string `json:"roles"`
	Banned  bool     `json:"banned"`
}

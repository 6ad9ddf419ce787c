package limit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"time"
)

// Script asks the binding that runs Lua in Redis.
type Script func(ctx context.Context, operation string, in, out any) error

// patience is how long a sign-in waits for the limit before it goes on without.
const patience = 300 * time.Millisecond

// SignIn limits guessing of passwords and mass sign-up over all replicas, by the client's
// address and by the account, so that neither many accounts from one place nor one account
// from many places can be tried fast.
type SignIn struct {
	Script  Script
	Address func() Speed
	Account func() Speed
	Broken  func() // counts the times the limit could not be asked
	Log     *slog.Logger
}

// Take takes one try of the client and one of the account named in body. A limit that cannot
// be asked lets through: Redis being down must not lock everybody out, and the password
// hashing is bounded by itself.
func (s *SignIn) Take(ctx context.Context, client string, body []byte) (ok bool, retry time.Duration) {
	ok, retry = s.take(ctx, "address", client, s.Address())
	if email := emailIn(body); ok && email != "" {
		ok, retry = s.take(ctx, "account", email, s.Account())
	}
	return ok, retry
}

func (s *SignIn) take(ctx context.Context, class, who string, speed Speed) (bool, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	in := struct {
		Key   string  `json:"key"`
		Rate  float64 `json:"rate"`
		Burst int     `json:"burst"`
		Cost  int     `json:"cost"`
	}{"signin:" + class + ":" + digest(who), speed.PerSecond, speed.Burst, 1}
	var out struct {
		Allowed      bool  `json:"allowed"`
		RetryAfterMS int64 `json:"retry_after_ms"`
	}
	if err := s.Script(ctx, "limit", in, &out); err != nil {
		s.Broken()
		s.Log.WarnContext(ctx, "sign-in limit not asked, letting through", "class", class, "error", err)
		return true, 0
	}
	return out.Allowed, time.Duration(out.RetryAfterMS) * time.Millisecond
}

// digest keeps addresses and emails out of Redis and its logs.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

func emailIn(body []byte) string {
	var b struct {
		Email string `json:"email"`
	}
	if json.Unmarshal(body, &b) != nil { // the room will refuse it
		return ""
	}
	return strings.ToLower(strings.TrimSpace(b.Email))
}

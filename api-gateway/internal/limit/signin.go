package limit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"
)

// Script calls the binding that runs Lua in Redis.
type Script func(ctx context.Context, operation string, in, out any) error

// callTimeout is how long a sign-in waits for Redis; after that it is allowed.
const callTimeout = 300 * time.Millisecond

// SignIn limits password guessing and mass sign-up over all replicas together. Every try counts for the client's
// address. For the account only failed tries count: per place, and in all for unknown places. A place is a device or an
// address; it is known to the account after a sign-in from there. Guessing is limited, and it cannot lock the owner
// out, because each known place has a limit of its own (ADR 21).
type SignIn struct {
	Script  Script
	Address func() RateLimit
	Account func() RateLimit // failed tries at an account, from all unknown places together
	Place   func() RateLimit // failed tries at an account from one place
	OnError func()           // called when Redis could not be asked
	Log     *slog.Logger
}

// Attempt is one try to sign in or up.
type Attempt struct {
	signIn  *SignIn
	in      attemptIn
	out     attemptOut
	counted bool // the limit has counted this try; false if Redis could not be asked
}

// Client is who tries: an address, and the device whose cookie it sent ("" for none).
type Client struct{ Address, Device string }

// Outcome is the result of a try.
type Outcome int

// The values of Outcome.
const (
	Failed     Outcome = iota // the password is wrong
	SignedIn                  // or signed up
	NotChecked                // the password was not checked
)

type bucket struct {
	Rate  float64 `json:"rate"`
	Burst float64 `json:"burst"`
}

type buckets struct {
	Address bucket `json:"address"`
	Account bucket `json:"account"`
	Place   bucket `json:"place"`
}

type attemptIn struct {
	Account string  `json:"account"`
	Address string  `json:"address"`
	Device  string  `json:"device"`
	Buckets buckets `json:"buckets"`
}

type attemptOut struct {
	Allowed      bool   `json:"allowed"`
	RetryAfterMS int64  `json:"retry_after_ms"`
	Place        string `json:"place"`
	Known        bool   `json:"known"`
}

type settleIn struct {
	attemptIn
	Place    string `json:"place"`
	Known    bool   `json:"known"`
	SignedIn bool   `json:"signed_in"`
}

// Begin counts a try at an account (an email), or returns when the next one is allowed. If Redis cannot be asked, the
// try is allowed: an outage of Redis must not lock everybody out, and the user service limits password checks by
// itself.
func (s *SignIn) Begin(ctx context.Context, c Client, account string) (a Attempt, ok bool, retry time.Duration) {
	a = Attempt{signIn: s, in: s.input(c, account)}
	if err := s.run(ctx, "attempt", a.in, &a.out); err != nil {
		return a, true, 0
	}
	a.counted = true
	return a, a.out.Allowed, time.Duration(a.out.RetryAfterMS) * time.Millisecond
}

// End records the outcome of a try: one that did not fail gets its tokens back. It does not stop with ctx, because a
// client that disconnects has still made a try.
func (a Attempt) End(ctx context.Context, o Outcome) {
	if !a.counted || o == Failed {
		return
	}
	in := settleIn{attemptIn: a.in, Place: a.out.Place, Known: a.out.Known, SignedIn: o == SignedIn}
	_ = a.signIn.run(context.WithoutCancel(ctx), "settle", in, nil)
}

// Remember makes the place of a new account known to it.
func (s *SignIn) Remember(ctx context.Context, c Client, account string) {
	in := s.input(c, account)
	// "a:" marks an address in the binding. With Known no token is given back to the account: a sign-up took none.
	out := attemptOut{Place: "a:" + in.Address, Known: true}
	Attempt{signIn: s, in: in, out: out, counted: true}.End(ctx, SignedIn)
}

func (s *SignIn) input(c Client, account string) attemptIn {
	in := attemptIn{Account: digest(account), Address: digest(c.Address),
		Buckets: buckets{bucketOf(s.Address()), bucketOf(s.Account()), bucketOf(s.Place())}}
	if c.Device != "" {
		in.Device = digest(c.Device)
	}
	return in
}

// TakeForAddress counts a try for the client's address only: the request names no existing account.
func (s *SignIn) TakeForAddress(ctx context.Context, address string) (ok bool, retry time.Duration) {
	return s.takeToken(ctx, "signin:address:"+digest(address), s.Address())
}

// TakeForPassword counts a request with a signed-in user's password, whether it is right or wrong.
func (s *SignIn) TakeForPassword(ctx context.Context, userID string) (ok bool, retry time.Duration) {
	return s.takeToken(ctx, "password:"+digest(userID), s.Place())
}

func (s *SignIn) takeToken(ctx context.Context, key string, speed RateLimit) (ok bool, retry time.Duration) {
	in := struct {
		Key   string  `json:"key"`
		Rate  float64 `json:"rate"`
		Burst int     `json:"burst"`
		Cost  int     `json:"cost"`
	}{key, speed.PerSecond, speed.Burst, 1}
	var out attemptOut
	if err := s.run(ctx, "limit", in, &out); err != nil {
		return true, 0
	}
	return out.Allowed, time.Duration(out.RetryAfterMS) * time.Millisecond
}

func (s *SignIn) run(ctx context.Context, operation string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := s.Script(ctx, operation, in, out)
	if err != nil {
		s.OnError()
		s.Log.WarnContext(ctx, "the sign-in limit cannot be asked, the try is allowed", "operation", operation, "error", err)
	}
	return err
}

func bucketOf(s RateLimit) bucket { return bucket{s.PerSecond, float64(s.Burst)} }

// digest keeps addresses and emails out of Redis and its logs.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

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

// patience is how long a sign-in waits for the limit; after that it is let through.
const patience = 300 * time.Millisecond

// SignIn limits password guessing and mass sign-up over all replicas. Every try counts for the client's address. For
// the account only failed tries count: per place (a device or an address), and in all for places the account was never
// signed in to from. So guessing is bounded, and it cannot keep the owner out: places the owner has used before have a
// limit of their own. ADR 21.
type SignIn struct {
	Script  Script
	Address func() RateLimit
	Account func() RateLimit // all places unknown to the account
	Place   func() RateLimit // one place of an account
	Broken  func()           // counts failures to ask the limit
	Log     *slog.Logger
}

// Attempt is one try to sign in or up.
type Attempt struct {
	signIn *SignIn
	in     attemptIn
	out    attemptOut
	asked  bool
}

// Client is who tries: an address, and the device it claims to be ("" for none).
type Client struct{ Address, Device string }

// Outcome is the result of a try.
type Outcome int

// The values of Outcome.
const (
	Failed   Outcome = iota // the password is wrong
	SignedIn                // or signed up
	Neither                 // the password was not checked
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

// Begin counts a try at an account (an email), or returns when the next one is allowed. If the limit cannot be asked,
// the try is let through: losing Redis must not lock everybody out, and password hashing has a bound of its own.
func (s *SignIn) Begin(ctx context.Context, c Client, account string) (a Attempt, ok bool, retry time.Duration) {
	a = Attempt{signIn: s, in: s.in(c, account)}
	if err := s.ask(ctx, "attempt", a.in, &a.out); err != nil {
		return a, true, 0
	}
	a.asked = true
	return a, a.out.Allowed, time.Duration(a.out.RetryAfterMS) * time.Millisecond
}

// End records the outcome of a try. It does not stop with ctx: a client that disconnects has still made a try.
func (a Attempt) End(ctx context.Context, o Outcome) {
	if !a.asked || o == Failed {
		return
	}
	in := settleIn{attemptIn: a.in, Place: a.out.Place, Known: a.out.Known, SignedIn: o == SignedIn}
	_ = a.signIn.ask(context.WithoutCancel(ctx), "settle", in, nil)
}

// Remember makes the place of a new account known to it.
func (s *SignIn) Remember(ctx context.Context, c Client, account string) {
	in := s.in(c, account)
	out := attemptOut{Place: "a:" + in.Address, Known: true} // it took nothing from any bucket
	Attempt{signIn: s, in: in, out: out, asked: true}.End(ctx, SignedIn)
}

func (s *SignIn) in(c Client, account string) attemptIn {
	in := attemptIn{Account: digest(account), Address: digest(c.Address),
		Buckets: buckets{bucketOf(s.Address()), bucketOf(s.Account()), bucketOf(s.Place())}}
	if c.Device != "" {
		in.Device = digest(c.Device)
	}
	return in
}

// Take counts a try for the client's address only: no existing account is concerned.
func (s *SignIn) Take(ctx context.Context, address string) (ok bool, retry time.Duration) {
	return s.take(ctx, "signin:address:"+digest(address), s.Address())
}

// TakePassword counts a signed-in user's try of the own password, right or wrong.
func (s *SignIn) TakePassword(ctx context.Context, userID string) (ok bool, retry time.Duration) {
	return s.take(ctx, "password:"+digest(userID), s.Place())
}

func (s *SignIn) take(ctx context.Context, key string, speed RateLimit) (ok bool, retry time.Duration) {
	in := struct {
		Key   string  `json:"key"`
		Rate  float64 `json:"rate"`
		Burst int     `json:"burst"`
		Cost  int     `json:"cost"`
	}{key, speed.PerSecond, speed.Burst, 1}
	var out attemptOut
	if err := s.ask(ctx, "limit", in, &out); err != nil {
		return true, 0
	}
	return out.Allowed, time.Duration(out.RetryAfterMS) * time.Millisecond
}

func (s *SignIn) ask(ctx context.Context, operation string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := s.Script(ctx, operation, in, out)
	if err != nil {
		s.Broken()
		s.Log.WarnContext(ctx, "sign-in limit not asked, letting through", "operation", operation, "error", err)
	}
	return err
}

func bucketOf(s RateLimit) bucket { return bucket{s.PerSecond, float64(s.Burst)} }

// digest keeps addresses and emails out of Redis and its logs.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

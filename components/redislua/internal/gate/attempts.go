package gate

import (
	"context"
	"fmt"
)

// Whoever signs in is remembered by the account for so long, from so many places.
const (
	rememberedPlaces = 20
	rememberedFor    = 90 * 24 * 60 * 60 // seconds
)

// Bucket is the speed of a token bucket.
type Bucket struct {
	Rate  float64 `json:"rate"`
	Burst float64 `json:"burst"`
}

func (b Bucket) check() error {
	return LimitIn{Key: "-", Rate: b.Rate, Burst: b.Burst, Cost: min(1, b.Burst)}.check()
}

// Buckets are the speeds of the buckets that a sign-in is under.
type Buckets struct {
	Address Bucket `json:"address"` // every try of an address
	Account Bucket `json:"account"` // failed tries of an account, from places unknown to it
	Place   Bucket `json:"place"`   // failed tries of an account from one place
}

// AttemptIn asks for one try to sign in. The names are digests: who they stand for is the gateway's secret.
type AttemptIn struct {
	Account string  `json:"account"`
	Address string  `json:"address"`
	Device  string  `json:"device"` // "" for none
	Buckets Buckets `json:"buckets"`
}

func (in AttemptIn) check() error {
	for field, key := range map[string]string{"account": in.Account, "address": in.Address} {
		if err := checkID(field, key); err != nil {
			return err
		}
	}
	if in.Device != "" {
		if err := checkID("device", in.Device); err != nil {
			return err
		}
	}
	for _, b := range []Bucket{in.Buckets.Address, in.Buckets.Account, in.Buckets.Place} {
		if err := b.check(); err != nil {
			return err
		}
		if b.Burst < 1 {
			return invalid("burst must be at least 1: a try costs 1")
		}
	}
	return nil
}

// AttemptOut reports whether the try may be made and, if not, when; and what to give back if it does not fail.
type AttemptOut struct {
	Allowed      bool   `json:"allowed"`
	RetryAfterMS int64  `json:"retry_after_ms"`
	Place        string `json:"place"` // the bucket it is under
	Known        bool   `json:"known"` // the account was signed in to from there
}

// SettleIn ends a try that did not fail.
type SettleIn struct {
	AttemptIn
	Place    string `json:"place"` // as AttemptOut had it
	Known    bool   `json:"known"`
	SignedIn bool   `json:"signed_in"` // the account knows the address and the device from now on
}

func (in SettleIn) check() error {
	if in.Place != in.addressPlace() && in.Place != in.devicePlace() {
		return invalid("place %q is not one of this try", in.Place)
	}
	return in.AttemptIn.check()
}

// SettleOut is empty.
type SettleOut struct{}

func (in AttemptIn) addressPlace() string { return "a:" + in.Address }

func (in AttemptIn) devicePlace() string {
	if in.Device == "" {
		return ""
	}
	return "d:" + in.Device
}

func (in AttemptIn) accountKey() string { return prefixLimit + "signin:account:" + in.Account }
func (in AttemptIn) knownKey() string   { return prefixLimit + "signin:known:" + in.Account }
func (in AttemptIn) placeKey(place string) string {
	return prefixLimit + "signin:place:" + in.Account + ":" + place
}

// Attempt takes one try of each bucket it is under, or none.
func (g *Gate) Attempt(ctx context.Context, in AttemptIn) (AttemptOut, error) {
	keys := []string{
		prefixLimit + "signin:address:" + in.Address, in.accountKey(), in.knownKey(), in.placeKey(in.addressPlace()),
		in.placeKey(in.devicePlace()),
	}
	b := in.Buckets
	res, err := g.attempt.Run(ctx, g.rdb, keys, in.addressPlace(), in.devicePlace(), b.Address.Rate, b.Address.Burst,
		b.Account.Rate, b.Account.Burst, b.Place.Rate, b.Place.Burst).Slice()
	if err != nil {
		return AttemptOut{}, fmt.Errorf("attempt.lua: %w", err)
	}
	place, _ := res[2].(string)
	return AttemptOut{Allowed: number(res[0]) == 1, RetryAfterMS: number(res[1]), Place: place,
		Known: number(res[3]) == 1}, nil
}

// Settle puts back what a try took that did not fail; the account remembers from where it was signed in to.
func (g *Gate) Settle(ctx context.Context, in SettleIn) (SettleOut, error) {
	paid := 1
	if in.Known {
		paid = 0
	}
	args := []any{in.Buckets.Place.Burst, paid, in.Buckets.Account.Burst, rememberedPlaces, rememberedFor}
	if in.SignedIn {
		args = append(args, in.addressPlace())
		if in.Device != "" {
			args = append(args, in.devicePlace())
		}
	}
	if err := g.settle.Run(ctx, g.rdb, []string{in.placeKey(in.Place), in.accountKey(), in.knownKey()},
		args...).Err(); err != nil {
		return SettleOut{}, fmt.Errorf("settle.lua: %w", err)
	}
	return SettleOut{}, nil
}

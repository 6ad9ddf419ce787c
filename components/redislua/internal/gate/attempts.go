package gate

import (
	"context"
	"fmt"
)

// An account remembers the places of its last sign-ins. A place is a client address or a device.
const (
	rememberedPlaces = 20
	rememberedFor    = 90 * 24 * 60 * 60 // seconds
)

// Bucket gives the refill rate (tokens per second) and the size of a token bucket.
type Bucket struct {
	Rate  float64 `json:"rate"`
	Burst float64 `json:"burst"`
}

func (b Bucket) check() error {
	return LimitIn{Key: "-", Rate: b.Rate, Burst: b.Burst, Cost: min(1, b.Burst)}.check()
}

// Buckets are the token buckets that limit sign-ins.
type Buckets struct {
	Address Bucket `json:"address"` // every attempt from an address
	Account Bucket `json:"account"` // failed attempts on an account from places that it does not know
	Place   Bucket `json:"place"`   // failed attempts on an account from one place
}

// AttemptIn asks for one attempt to sign in. Account, address and device are digests made by the gateway, not the real
// names.
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

// AttemptOut reports whether the attempt may be made and, if not, when. Settle needs Place and Known.
type AttemptOut struct {
	Allowed      bool   `json:"allowed"`
	RetryAfterMS int64  `json:"retry_after_ms"`
	Place        string `json:"place"` // whose bucket was charged
	Known        bool   `json:"known"` // the account was signed in to from this place before
}

// SettleIn ends an attempt that did not fail.
type SettleIn struct {
	AttemptIn
	Place    string `json:"place"` // the Place of AttemptOut
	Known    bool   `json:"known"`
	SignedIn bool   `json:"signed_in"` // remember the address and the device as places of the account
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

// Attempt takes one token from each bucket that applies, or from none.
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

// Settle gives back the tokens of an attempt that did not fail. After a sign-in the account remembers the places.
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

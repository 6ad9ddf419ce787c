package limit

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"daprmall.dev/services/kit/config/keys"
)

// RateLimit is a number of requests per second, and the burst allowed after a pause.
type RateLimit = keys.Rate

// remembered bounds the number of buckets. An attacker with more addresses than this gets fresh buckets, but no more
// memory (about 10 MB).
const remembered = 50_000

// Buckets are the token buckets of one class of callers in this process.
type Buckets struct {
	speed   func() RateLimit
	buckets *lru.Cache[string, *rate.Limiter]
}

// NewBuckets makes buckets whose rate may change while they are in use.
func NewBuckets(speed func() RateLimit) *Buckets {
	cache, err := lru.New[string, *rate.Limiter](remembered)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Buckets{speed: speed, buckets: cache}
}

// Take takes a token from the bucket of who. If it is empty, Take returns the time until the next token.
func (b *Buckets) Take(who string, now time.Time) (ok bool, retry time.Duration) {
	speed := b.speed()
	bucket, found := b.buckets.Get(who)
	if !found {
		fresh := rate.NewLimiter(rate.Limit(speed.PerSecond), speed.Burst)
		if bucket, found, _ = b.buckets.PeekOrAdd(who, fresh); !found {
			bucket = fresh
		}
	}
	if bucket.Limit() != rate.Limit(speed.PerSecond) || bucket.Burst() != speed.Burst {
		bucket.SetLimitAt(now, rate.Limit(speed.PerSecond))
		bucket.SetBurstAt(now, speed.Burst)
	}
	if bucket.AllowN(now, 1) {
		return true, 0
	}
	missing := 1 - bucket.TokensAt(now)
	return false, time.Duration(missing / speed.PerSecond * float64(time.Second))
}

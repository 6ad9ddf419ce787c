package limit

import (
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"daprmall.dev/services/kit/config/keys"
)

// RateLimit is a number of requests per second, and the burst allowed after a pause.
type RateLimit = keys.Rate

// maxBuckets bounds the memory for buckets to about 10 MB. An attacker with more addresses than this gets full buckets
// again, because the least recently used ones are dropped.
const maxBuckets = 50_000

// Buckets are the token buckets of one class of callers in this process.
type Buckets struct {
	rate    func() RateLimit
	buckets *lru.Cache[string, *tokens]
}

type tokens struct {
	*rate.Limiter
	borrowed atomic.Int64
}

// NewBuckets makes buckets whose rate may change while they are in use.
func NewBuckets(current func() RateLimit) *Buckets {
	cache, err := lru.New[string, *tokens](maxBuckets)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Buckets{rate: current, buckets: cache}
}

// Take takes a token from the bucket of who. If it is empty, Take returns the time until the next token.
func (b *Buckets) Take(who string, now time.Time) (ok bool, retry time.Duration) {
	bucket := b.of(who, now)
	if bucket.AllowN(now, 1) {
		return true, 0
	}
	return false, bucket.until(1, now)
}

// Borrow reserves a token until settle says whether it is taken: whether what the bucket limits has happened. If all
// tokens are taken or reserved, Borrow returns the time until the next one.
func (b *Buckets) Borrow(who string, now time.Time) (settle func(taken bool), ok bool, retry time.Duration) {
	bucket := b.of(who, now)
	needed := float64(bucket.borrowed.Add(1))
	if bucket.TokensAt(now) < needed {
		bucket.borrowed.Add(-1)
		return nil, false, bucket.until(needed, now)
	}
	return func(taken bool) {
		bucket.borrowed.Add(-1)
		if taken {
			bucket.Allow()
		}
	}, true, 0
}

// until returns the time until a bucket has so many tokens.
func (t *tokens) until(needed float64, now time.Time) time.Duration {
	return time.Duration((needed - t.TokensAt(now)) / float64(t.Limit()) * float64(time.Second))
}

func (b *Buckets) of(who string, now time.Time) *tokens {
	limit := b.rate()
	bucket, found := b.buckets.Get(who)
	if !found {
		fresh := &tokens{Limiter: rate.NewLimiter(rate.Limit(limit.PerSecond), limit.Burst)}
		if bucket, found, _ = b.buckets.PeekOrAdd(who, fresh); !found {
			bucket = fresh
		}
	}
	if bucket.Limit() != rate.Limit(limit.PerSecond) || bucket.Burst() != limit.Burst { // the setting has changed
		bucket.SetLimitAt(now, rate.Limit(limit.PerSecond))
		bucket.SetBurstAt(now, limit.Burst)
	}
	return bucket
}

package limit

import (
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
	buckets *lru.Cache[string, *rate.Limiter]
}

// NewBuckets makes buckets whose rate may change while they are in use.
func NewBuckets(current func() RateLimit) *Buckets {
	cache, err := lru.New[string, *rate.Limiter](maxBuckets)
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
	return false, untilNext(bucket, now)
}

// Check is Take without taking the token: whether it is due shows later, and then Charge takes it.
func (b *Buckets) Check(who string, now time.Time) (ok bool, retry time.Duration) {
	bucket := b.of(who, now)
	if bucket.TokensAt(now) >= 1 {
		return true, 0
	}
	return false, untilNext(bucket, now)
}

// Charge takes a token, also one that is not there yet: who had many checked at once waits the longer for the next. The
// debt is at most a burst, because others may share the bucket.
func (b *Buckets) Charge(who string, now time.Time) {
	if bucket := b.of(who, now); bucket.TokensAt(now) > -float64(bucket.Burst()) {
		bucket.ReserveN(now, 1)
	}
}

func untilNext(bucket *rate.Limiter, now time.Time) time.Duration {
	return time.Duration((1 - bucket.TokensAt(now)) / float64(bucket.Limit()) * float64(time.Second))
}

func (b *Buckets) of(who string, now time.Time) *rate.Limiter {
	limit := b.rate()
	bucket, found := b.buckets.Get(who)
	if !found {
		fresh := rate.NewLimiter(rate.Limit(limit.PerSecond), limit.Burst)
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

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
	if bucket.AllowN(now, 1) {
		return true, 0
	}
	missing := 1 - bucket.TokensAt(now)
	return false, time.Duration(missing / limit.PerSecond * float64(time.Second))
}

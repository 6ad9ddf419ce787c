package limit

import (
	"testing"
	"time"
)

func TestABucketRefillsOverTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := NewBuckets(func() RateLimit { return RateLimit{PerSecond: 2, Burst: 3} })
	for range 3 {
		if ok, _ := b.Take("a", now); !ok {
			t.Fatal("burst of 3 refused")
		}
	}
	if ok, retry := b.Take("a", now); ok || retry != 500*time.Millisecond {
		t.Errorf("fourth: %v, retry %v; want refused for 500ms", ok, retry)
	}
	if ok, _ := b.Take("b", now); !ok {
		t.Error("another client is refused")
	}
	if ok, _ := b.Take("a", now.Add(500*time.Millisecond)); !ok {
		t.Error("refused after the time in retry")
	}
}

package limit

import (
	"fmt"
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

// Checking takes nothing; what is charged beyond the tokens is a debt.
func TestChargesBeyondTheTokensAreADebt(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := NewBuckets(func() RateLimit { return RateLimit{PerSecond: 0.1, Burst: 2} })
	for range 5 {
		if ok, _ := b.Check("a", now); !ok {
			t.Fatal("refused, though nothing was charged")
		}
	}
	for charges, want := range map[int]time.Duration{3: 20 * time.Second, 50: 30 * time.Second} {
		who := fmt.Sprint(charges)
		for range charges {
			b.Charge(who, now)
		}
		if ok, retry := b.Check(who, now); ok || retry != want {
			t.Errorf("after %d charges of two tokens: %v, retry %v; want refused for %v", charges, ok, retry, want)
		}
	}
	if ok, _ := b.Check("3", now.Add(19*time.Second)); ok {
		t.Error("the debt is forgotten")
	}
	if ok, _ := b.Check("3", now.Add(20*time.Second)); !ok {
		t.Error("refused after the time in retry")
	}
	if ok, _ := b.Check("b", now); !ok {
		t.Error("another one is refused")
	}
}

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

func TestABorrowedTokenMayComeBack(t *testing.T) {
	now := time.Now()
	b := NewBuckets(func() RateLimit { return RateLimit{PerSecond: 0.001, Burst: 2} })
	borrow := func() func(bool) {
		t.Helper()
		settle, ok, _ := b.Borrow("a", now)
		if !ok {
			t.Fatal("refused, though a token is there")
		}
		return settle
	}
	for range 3 {
		first, second := borrow(), borrow()
		if _, ok, retry := b.Borrow("a", now); ok || retry <= 0 {
			t.Errorf("while both are reserved: %v, retry %v", ok, retry)
		}
		first(false)
		second(false)
	}
	borrow()(true)
	borrow()(true)
	if _, ok, retry := b.Borrow("a", now); ok || retry < 900*time.Second || retry > 1000*time.Second {
		t.Errorf("after both were taken: %v, retry %v; want refused for 1000 s", ok, retry)
	}
	if _, ok, _ := b.Borrow("b", now); !ok {
		t.Error("another one is refused")
	}
}

package limit

import (
	"testing"
	"time"
)

func TestParseSpeed(t *testing.T) {
	for text, want := range map[string]Speed{"100/200": {100, 200}, " 0.5/1 ": {0.5, 1}} {
		if got, err := ParseSpeed(text); err != nil || got != want {
			t.Errorf("ParseSpeed(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "0/5", "-1/5", "5/0", "NaN/5", "Inf/5", "x/y", "1/2/3"} {
		if got, err := ParseSpeed(text); err == nil {
			t.Errorf("ParseSpeed(%q) = %v, want an error", text, got)
		}
	}
}

func TestABucketFillsAgain(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := NewBuckets(func() Speed { return Speed{PerSecond: 2, Burst: 3} })
	for range 3 {
		if ok, _ := b.Take("a", now); !ok {
			t.Fatal("burst of 3 refused")
		}
	}
	if ok, retry := b.Take("a", now); ok || retry != 500*time.Millisecond {
		t.Errorf("fourth: %v, retry %v; want refused for 500ms", ok, retry)
	}
	if ok, _ := b.Take("b", now); !ok {
		t.Error("another caller is refused")
	}
	if ok, _ := b.Take("a", now.Add(500*time.Millisecond)); !ok {
		t.Error("refused after the advised time")
	}
}

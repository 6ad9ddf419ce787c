package ids

import (
	"strconv"
	"testing"
	"time"
)

func TestValidAcceptsOnlyCanonicalIDs(t *testing.T) {
	for s, want := range map[string]bool{"1": true, "9223372036854775807": true, "9223372036854775808": false,
		"": false, "0": false, "01": false, "-1": false, "1.5": false, "１": false, "1 OR 1=1": false} {
		if got := Valid(s); got != want {
			t.Errorf("Valid(%q) = %v, want %v", s, got, want)
		}
	}
}

// An id contains the time at which it was made.
func TestAnIDContainsItsTime(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	id := strconv.FormatInt((before.UnixMilli()-epoch)<<timeShift|7, 10)
	if made := Made(id); !made.Equal(before) {
		t.Errorf("made %s, want %s", made, before)
	}
	if !Made("x").IsZero() {
		t.Error("an invalid id has a time")
	}
}

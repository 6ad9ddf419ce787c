package freeport

import "testing"

// Two programs that want a range at the same time get different ones.
func TestRangesDoNotOverlap(t *testing.T) {
	first, releaseFirst, err := Range()
	if err != nil {
		t.Fatal(err)
	}
	defer releaseFirst.Close() //nolint:errcheck // the port goes with the test
	for range 20 {
		second, release, err := Range()
		if err != nil {
			t.Fatal(err)
		}
		if second < first+rangeSize && first < second+rangeSize {
			t.Fatalf("ranges from %d and from %d", first, second)
		}
		if err := release.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A range in which one port is in use is not taken.
func TestARangeWithAUsedPortIsNotTaken(t *testing.T) {
	base, release, err := Range()
	if err != nil {
		t.Fatal(err)
	}
	if err := release.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listen(base + 100)
	if err != nil {
		t.Skipf("another process took the range: %v", err)
	}
	defer l.Close() //nolint:errcheck // nobody connects
	if again, err := take(base); err == nil {
		_ = again.Close()
		t.Errorf("the range from %d was taken with port %d in use", base, base+100)
	}
}

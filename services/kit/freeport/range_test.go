package freeport

import "testing"

// Two programs that want a range at the same time get two.
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

// A range with one port in use is not free.
func TestARangeInUse(t *testing.T) {
	base, release, err := Range()
	if err != nil {
		t.Fatal(err)
	}
	if err := release.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listen(base + 100)
	if err != nil {
		t.Skipf("somebody was faster: %v", err)
	}
	defer l.Close() //nolint:errcheck // nobody connects
	if again, err := take(base); err == nil {
		_ = again.Close()
		t.Errorf("the range from %d was taken with port %d in use", base, base+100)
	}
}

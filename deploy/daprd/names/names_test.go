package names

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnAnswerIsReusedForItsLifetime(t *testing.T) {
	var m Memory
	asked := 0
	resolve := func(app string, at time.Duration, address string) string {
		got, err := m.Resolve(app, time.Unix(0, 0).Add(at), func() (string, error) { asked++; return address, nil })
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, step := range []struct {
		app           string
		at            time.Duration
		address, want string
		asked         int
	}{
		{"order", 0, "a:1", "a:1", 1},
		{"order", Lifetime - 1, "a:2", "a:1", 1},
		{"cart", Lifetime - 1, "c:1", "c:1", 2},
		{"order", Lifetime, "a:2", "a:2", 3},
		{"order", 2*Lifetime - 1, "a:3", "a:2", 3},
	} {
		if got := resolve(step.app, step.at, step.address); got != step.want || asked != step.asked {
			t.Errorf("%s at %v: got %s after %d lookups, want %s after %d", step.app, step.at, got, asked, step.want,
				step.asked)
		}
	}
}

func TestFailuresAreNotCached(t *testing.T) {
	var m Memory
	now := time.Unix(0, 0)
	none := errors.New("no host")
	for range 2 {
		if _, err := m.Resolve("order", now, func() (string, error) { return "", none }); !errors.Is(err, none) {
			t.Fatalf("got %v, want the failure", err)
		}
	}
	_, _ = m.Resolve("order", now, func() (string, error) { return "a:1", nil })
	now = now.Add(Lifetime)
	if _, err := m.Resolve("order", now, func() (string, error) { return "", none }); !errors.Is(err, none) {
		t.Fatalf("got %v, want the failure, not an old answer", err)
	}
	if got, _ := m.Resolve("order", now, func() (string, error) { return "a:2", nil }); got != "a:2" {
		t.Fatalf("got %s after the failure, want a new answer", got)
	}
}

// While one caller looks a name up again, others get the old answer and do not look it up, too.
func TestOneCallerLooksUpForAll(t *testing.T) {
	var m Memory
	start := time.Unix(0, 0)
	_, _ = m.Resolve("order", start, func() (string, error) { return "a:1", nil })
	var asked atomic.Int32
	var crowd sync.WaitGroup
	asking, answer := make(chan struct{}), make(chan struct{})
	ask := func() (string, error) {
		asked.Add(1)
		close(asking)
		<-answer
		return "a:2", nil
	}
	late := start.Add(Lifetime)
	crowd.Go(func() { _, _ = m.Resolve("order", late, ask) })
	<-asking
	for range 50 {
		if got, err := m.Resolve("order", late, ask); got != "a:1" || err != nil {
			t.Errorf("got %s, %v during another lookup", got, err)
		}
	}
	close(answer)
	crowd.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d lookups, want one", n)
	}
	if got, _ := m.Resolve("order", late, ask); got != "a:2" {
		t.Errorf("got %s afterwards, want the new answer", got)
	}
}

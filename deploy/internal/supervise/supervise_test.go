package supervise

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestRepeatedCrashesAreFollowedByLongerPauses(t *testing.T) {
	var b Backoff
	for i, ms := range []int{200, 400, 800, 1600, 3200, 5000, 5000} {
		if got, want := b.Next(time.Second), time.Duration(ms)*time.Millisecond; got != want {
			t.Errorf("crash %d in a row: pause %v, want %v", i+1, got, want)
		}
	}
	if got := b.Next(steady); got != firstPause {
		t.Errorf("after a long run: pause %v, want %v", got, firstPause)
	}
}

// until polls instead of sleeping, so it takes no longer than needed.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after 10 s", what)
		}
	}
}

func TestAKilledProcessIsStartedAgain(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, t.Logf)
	s.Start(Spec{Name: "sleeper", Kind: "app", Path: "/bin/sleep", Args: []string{"60"}, Log: filepath.Join(dir, "log"),
		Stop: syscall.SIGTERM, Orphan: syscall.SIGKILL, Patience: time.Second})
	running := func() int {
		st := s.Status()[0]
		if st.State != Running {
			return 0
		}
		return st.PID
	}
	until(t, "start", func() bool { return running() > 0 })
	first := running()
	if err := s.Kill("sleeper"); err != nil {
		t.Fatal(err)
	}
	until(t, "second start", func() bool { return running() > 0 && running() != first })
	if got := s.Status()[0].Restarts; got != 1 {
		t.Errorf("restarts: %d, want 1", got)
	}
	if err := s.Kill("nobody"); err == nil {
		t.Error("killed a process that does not exist")
	}
	s.StopAll()
	if st := s.Status()[0]; st.State != Stopped || st.PID != 0 {
		t.Errorf("after StopAll: %+v, want stopped", st)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.pid")); len(left) > 0 {
		t.Errorf("records left: %v", left)
	}
}

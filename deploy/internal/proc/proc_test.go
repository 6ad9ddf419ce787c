package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestAPidAloneDoesNotIdentifyAProcess(t *testing.T) {
	self := Self("test")
	if !self.Alive() {
		t.Fatal("this process is reported as not alive")
	}
	reused := self
	reused.Start = "0"
	if reused.Alive() {
		t.Error("another process with the same pid counts as ours")
	}
	if (Record{}).Alive() {
		t.Error("an empty record is reported as alive")
	}
}

func TestEndEndsTheWholeProcessGroup(t *testing.T) {
	cmd := exec.Command("sh", "-c", "trap '' TERM; sleep 60 & wait; sleep 60")
	if err := Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	start, err := StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	var children []int
	for deadline := time.Now().Add(5 * time.Second); len(children) == 0 && time.Now().Before(deadline); {
		children = Descendants(cmd.Process.Pid)
	}
	r := Record{Name: "sh", PID: cmd.Process.Pid, Start: start, Stop: syscall.SIGTERM}
	if err := r.End(100 * time.Millisecond); err != nil {
		t.Error(err)
	}
	for _, p := range children {
		child := Record{Name: "child", PID: p}
		child.Start, _ = StartTime(p)
		if child.Start != "" && !child.waitGone(5*time.Second) {
			t.Errorf("its child %d outlived it", p)
		}
	}
}

func TestRecordsAreWrittenReadAndRemoved(t *testing.T) {
	dir := t.TempDir()
	want := Self("order")
	if err := want.Write(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "torn.pid"), []byte(`{"name":"to`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadAll(dir)
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("read %v (%v), want only %v", got, err, want)
	}
	Remove(dir, "order")
	if r, err := Read(dir, "order"); err != nil || r.PID != 0 {
		t.Errorf("a removed record: %v (%v), want none", r, err)
	}
}

// Package proc knows processes beyond os/exec: it starts them so that they cannot
// outlive their supervisor, recognises one it wrote down earlier although pids are
// reused, and ends whole groups.
package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Record is a process as it was written down: a pid alone may belong to somebody else
// tomorrow, a pid with its start time does not.
type Record struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`
	Start string `json:"start"`
	// Stop is the signal that ends it well.
	Stop syscall.Signal `json:"stop"`
}

var (
	spawnOnce sync.Once
	spawns    chan func()
)

// Start starts a command in its own process group, tied to the life of this program
// where the system can do that. The kernel ties a child to the thread that forked it,
// so all forks happen on one thread that never ends.
func Start(cmd *exec.Cmd, onParentDeath syscall.Signal) error {
	spawnOnce.Do(func() {
		spawns = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range spawns {
				f()
			}
		}()
	})
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	tie(cmd.SysProcAttr, onParentDeath)
	result := make(chan error)
	spawns <- func() { result <- cmd.Start() }
	return <-result
}

// Alive reports whether the recorded process still runs.
func (r Record) Alive() bool {
	if r.PID <= 0 {
		return false
	}
	start, err := StartTime(r.PID)
	return err == nil && start == r.Start
}

// Signal reaches the process's whole group.
func (r Record) Signal(sig syscall.Signal) {
	if r.Alive() {
		_ = syscall.Kill(-r.PID, sig)
	}
}

// End stops the process well, and by force when it takes longer than patience.
func (r Record) End(patience time.Duration) error {
	stop := r.Stop
	if stop == 0 {
		stop = syscall.SIGTERM
	}
	r.Signal(stop)
	if r.waitGone(patience) {
		return nil
	}
	r.Signal(syscall.SIGKILL)
	if r.waitGone(5 * time.Second) {
		return nil
	}
	return fmt.Errorf("%s (pid %d) survives SIGKILL", r.Name, r.PID)
}

func (r Record) waitGone(patience time.Duration) bool {
	for deadline := time.Now().Add(patience); r.Alive(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// Write keeps the record in a directory under the process's name.
func (r Record) Write(dir string) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Name+".pid"), raw, 0o600)
}

// Remove forgets a record.
func Remove(dir, name string) { _ = os.Remove(filepath.Join(dir, name+".pid")) }

// Read reads one record; a missing one is a record of nothing.
func Read(dir, name string) (Record, error) {
	var r Record
	raw, err := os.ReadFile(filepath.Join(dir, name+".pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		// Half a record: the writer died in it, before its process could do harm.
		return Record{}, nil //nolint:nilerr // as the line above says
	}
	return r, nil
}

// ReadAll reads all records of a directory.
func ReadAll(dir string) ([]Record, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, f := range files {
		r, err := Read(dir, strings.TrimSuffix(filepath.Base(f), ".pid"))
		if err != nil {
			return nil, err
		}
		if r.PID > 0 {
			out = append(out, r)
		}
	}
	return out, nil
}

// Self is the record of this program.
func Self(name string) Record {
	start, _ := StartTime(os.Getpid())
	return Record{Name: name, PID: os.Getpid(), Start: start, Stop: syscall.SIGTERM}
}

package settings

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Record is a file with what was last written into the configuration store, which may lose it. One without a file keeps
// nothing: the settings are written down elsewhere, as with a Helm chart.
type Record struct {
	File string
	Lock string // a file: commands may run at once
}

// Read returns what is recorded in its stored form; nil if nothing was recorded yet.
func (r Record) Read() (map[string]string, error) {
	if r.File == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(r.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var values map[string]string
	return values, json.Unmarshal(raw, &values)
}

// change changes the record under its lock.
func (r Record) change(do func(values map[string]string) error) error {
	if r.File == "" {
		return do(map[string]string{})
	}
	lock, err := os.OpenFile(r.Lock, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // releases the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	values, err := r.Read()
	if err != nil {
		return err
	}
	if values == nil {
		values = map[string]string{}
	}
	if err := do(values); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(values, "", "  ")
	if err != nil {
		return err
	}
	next := r.File + ".new"
	if err := os.WriteFile(next, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(next, r.File)
}

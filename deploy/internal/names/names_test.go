package names

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestResetDeletesAllNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "names.db")
	for _, f := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.WriteFile(f, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Reset(path); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(path + "-*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Log("without sqlite3 only the daprd of an end-to-end test reads the file")
		return
	}
	out, err := exec.Command("sqlite3", path, "PRAGMA journal_mode; PRAGMA integrity_check").CombinedOutput()
	if got := strings.Fields(string(out)); err != nil || len(got) != 2 || got[0] != "wal" || got[1] != "ok" {
		t.Errorf("sqlite3 says %q (%v), want wal and ok", out, err)
	}
}

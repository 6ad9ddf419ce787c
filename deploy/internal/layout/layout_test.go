package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAMallsPortsAndSocketsFollowItsSettings(t *testing.T) {
	t.Setenv("MALL_HOME", "/tmp/"+strings.Repeat("long/", 30))
	t.Setenv("MALL_PORT_BASE", "20080")
	t.Setenv("MALL_CACHE", t.TempDir())
	p, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Shift(8581); got != 20581 || got != p.RedisPort() {
		t.Errorf("Redis at %d and %d, want 20581", got, p.RedisPort())
	}
	if n := len(p.Sockets + "/api-gateway-2/redislua.sock"); n > 100 {
		t.Errorf("a socket's path has %d characters, want at most 100", n)
	}
	for _, bad := range []string{"80", "x", "65000"} {
		t.Setenv("MALL_PORT_BASE", bad)
		if _, err := Find(); err == nil {
			t.Errorf("MALL_PORT_BASE=%s was accepted", bad)
		}
	}
}

// In a directory that everybody may write to, another user may have created the path first: as a link or as a directory
// of their own. Through it, root would write into that user's files.
func TestTheSocketDirectoryMustBelongToUs(t *testing.T) {
	theirs := t.TempDir()
	if err := os.Chmod(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	p := Layout{Home: t.TempDir(), Sockets: filepath.Join(t.TempDir(), "mall-0123456789")}
	if err := os.Symlink(theirs, p.Sockets); err != nil {
		t.Fatal(err)
	}
	if err := p.Make(); err == nil {
		t.Error("sockets are in the directory that a link points to")
	}
	if info, err := os.Stat(theirs); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the link's target was changed: %v (%v)", info.Mode(), err)
	}
	if err := os.Remove(p.Sockets); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the directory is created, then found
		if err := p.Make(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(p.Sockets); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("our own directory: %v (%v), want it closed to others", info.Mode(), err)
	}
	if os.Geteuid() != 0 {
		return // only root can give a directory to another user
	}
	if err := os.Chown(p.Sockets, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := p.Make(); err == nil {
		t.Error("sockets are in another user's directory")
	}
}

// Mails contain tokens that set passwords: other users of the machine must not read them, not even in a home made by an
// older version.
func TestMailIsClosedToOthers(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "mail"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := Layout{Home: home, Sockets: filepath.Join(home, "sock")}
	if err := p.Make(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(home, "mail")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v (%v), want it closed", info.Mode(), err)
	}
}

package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlacesDoNotMeet(t *testing.T) {
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

// In a directory for everybody, somebody else may have been there first: with a link, or with a directory of their own,
// through which root would reach into what is theirs.
func TestSocketsLieInADirectoryOfOurOwn(t *testing.T) {
	theirs := t.TempDir()
	if err := os.Chmod(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	p := Layout{Home: t.TempDir(), Sockets: filepath.Join(t.TempDir(), "mall-0123456789")}
	if err := os.Symlink(theirs, p.Sockets); err != nil {
		t.Fatal(err)
	}
	if err := p.Make(); err == nil {
		t.Error("sockets lie where somebody's link leads")
	}
	if info, err := os.Stat(theirs); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("what the link leads to was changed: %v (%v)", info.Mode(), err)
	}
	if err := os.Remove(p.Sockets); err != nil {
		t.Fatal(err)
	}
	for range 2 { // our own, made now and found again
		if err := p.Make(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(p.Sockets); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("our own: %v (%v), want it closed to others", info.Mode(), err)
	}
	if os.Geteuid() != 0 {
		return // only root can give a directory away
	}
	if err := os.Chown(p.Sockets, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := p.Make(); err == nil {
		t.Error("sockets lie in a directory of another user")
	}
}

// Mails contain tokens that set passwords: other users of the machine must not read them, in an older home either.
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

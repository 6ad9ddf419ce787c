package redis

import (
	"os"
	"path/filepath"
	"testing"
)

// The directory belongs to the server's user, who may have fewer rights than the user who starts the server. The start
// must not write through a link that was placed in the directory.
func TestTheConfigurationIsNotWrittenThroughALink(t *testing.T) {
	target := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	i := Instance{Dir: filepath.Join(t.TempDir(), "redis"), Port: 1, Password: "secret"}
	if err := os.Mkdir(i.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(i.Dir, "redis.conf")
	for _, link := range []string{conf, conf + ".new"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time over its own file
			if err := i.Prepare(); err != nil {
				t.Fatal(err)
			}
		}
		if raw, err := os.ReadFile(target); err != nil || string(raw) != "precious" {
			t.Errorf("wrote %q through %s (%v)", raw, filepath.Base(link), err)
		}
		if info, err := os.Lstat(conf); err != nil || info.Mode() != 0o600 {
			t.Errorf("the configuration is %v (%v), want a file that only its owner may read", info.Mode(), err)
		}
	}
}

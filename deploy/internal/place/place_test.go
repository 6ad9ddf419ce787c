package place

import (
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

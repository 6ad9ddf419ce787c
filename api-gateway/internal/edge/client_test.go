package edge

import (
	"net/http"
	"testing"
)

// Each client gets its own key, in whatever form a trusted proxy writes its address.
func TestClientKeysBehindProxies(t *testing.T) {
	trusted, err := ParseProxies("127.0.0.0/8, 10.0.0.0/8, fd00::/8, ::ffff:192.168.0.0/112, fe80::1%eth0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"127.0.0.1:99", "", "127.0.0.1"},
		{"127.0.0.1:99", "1.2.3.4", "1.2.3.4"},
		{"127.0.0.1:99", "1.2.3.4:5678", "1.2.3.4"},
		{"127.0.0.1:99", ` "1.2.3.4:5678" `, "1.2.3.4"},
		{"127.0.0.1:99", "6.6.6.6, 1.2.3.4:5678, 10.1.1.1:80", "1.2.3.4"},
		{"127.0.0.1:99", "2001:db8::1", "2001:db8::1"},
		{"127.0.0.1:99", "[2001:db8::1]", "2001:db8::1"},
		{"127.0.0.1:99", "[2001:db8::1]:443", "2001:db8::1"},
		{"127.0.0.1:99", `"[2001:db8::1]:443"`, "2001:db8::1"},
		{"127.0.0.1:99", "[::1]:99", "::1"},
		{"127.0.0.1:99", "2001:db8::1%eth0", "2001:db8::1"},
		{"127.0.0.1:99", "[2001:db8::1%25eth0]:443", "2001:db8::1"},
		{"127.0.0.1:99", "::ffff:1.2.3.4", "1.2.3.4"},
		{"127.0.0.1:99", "[::ffff:1.2.3.4]:5678, 10.1.1.1", "1.2.3.4"},
		{"127.0.0.1:99", "1.2.3.4, [::ffff:192.168.0.7]:80", "1.2.3.4"}, // one of our proxies, in another notation
		{"[fd00::7]:99", "1.2.3.4", "1.2.3.4"},
		{"[fe80::1%eth0]:99", "1.2.3.4", "1.2.3.4"},
		{"127.0.0.1:99", "1.2.3.4, unknown", "127.0.0.1"},     // no trusted proxy named the client
		{"127.0.0.1:99", "1.2.3.4, _hidden", "127.0.0.1"},     // RFC 7239's obfuscated names are not addresses
		{"127.0.0.1:99", "1.2.3.4, 1.2.3.4:x:y", "127.0.0.1"}, //
		{"8.8.8.8:99", "1.2.3.4", "8.8.8.8"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := clientAddr(r, trusted); got.String() != c.want {
			t.Errorf("from %s, X-Forwarded-For %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

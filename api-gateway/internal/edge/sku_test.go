package edge_test

import (
	"encoding/base64"
	"path"
	"strings"
	"testing"
)

// A sku may hold any character; product gets it unchanged.
func TestASKUReachesProductUnchanged(t *testing.T) {
	m := open(t, nil)
	seller := "Authorization: Bearer " + m.token("seller")
	for sent, want := range map[string]string{"T-1": "T-1", "a%2Fb": "a/b", "a/b": "a/b", "%E8%8C%B6%20%22%25": `茶 "%`,
		"..%2f..%2fcart": "../../cart", "%3Fq=1%23": "?q=1#", "a//b/": "a//b/", "%ff%00": "\xff\x00"} {
		m.do("GET", "/v1/products/by-sku/"+sent, "", seller).want(t, sent, 200, "")
		last := m.seen[len(m.seen)-1].URL.Path
		got, err := base64.RawURLEncoding.DecodeString(path.Base(last))
		if err != nil || string(got) != want || !strings.HasSuffix(path.Dir(last), "/product/method/v1/products/by-sku") {
			t.Errorf("%s became %q at %s, %v; want %q", sent, got, last, err, want)
		}
	}
	m.do("GET", "/v1/products/by-sku/"+strings.Repeat("x", 401), "", seller).want(t, "long", 404, "not_found")
	m.do("GET", "/v1/products/by-sku/", "", seller).want(t, "none", 404, "not_found")
	m.do("GET", "/v1/products/by-sku", "", seller).want(t, "no slash", 404, "not_found")
}

package catalog

import (
	"net/url"
	"strings"
)

// isImage reports whether a text may be the address of a picture: it keeps javascript: and data: URLs out of the
// storefront's pages. The address is encoded already.
func isImage(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || strings.ContainsFunc(s, MustBeEncoded) {
		return false
	}
	switch u.Scheme {
	case "http", "https":
		return u.Host != ""
	case "":
		// to a browser, any number of slashes begins a host name
		return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
	default:
		return false
	}
}

// MustBeEncoded reports whether a character may not stand in an address (RFC 3986). url.Parse takes more than that.
func MustBeEncoded(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }

package api

import (
	"fmt"
	"strings"

	"golang.org/x/net/idna"

	"daprmall.dev/services/product/internal/catalog"
)

// encodedImage encodes what people copy into the field of an address: spaces, letters of any script, a % that encodes
// nothing. A host name becomes ASCII (IDNA). What cannot be encoded stays, for the catalogue to refuse.
func encodedImage(s string) string {
	s = strings.TrimSpace(s)
	scheme, rest, absolute := strings.Cut(s, "://")
	if !absolute || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return encodedPath(s)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	if ascii, err := idna.Lookup.ToASCII(host); err == nil && strings.ContainsFunc(host, catalog.MustBeEncoded) {
		host = ascii
	}
	return strings.ToLower(scheme) + "://" + host + encodedPath(rest[end:])
}

// encodedPictures encodes the addresses of pictures.
func encodedPictures(sent *[]catalog.Picture) *[]catalog.Picture {
	if sent == nil {
		return nil
	}
	encoded := make([]catalog.Picture, len(*sent))
	for i, p := range *sent {
		encoded[i] = catalog.Picture{URL: encodedImage(p.URL), Alt: strings.TrimSpace(p.Alt)}
	}
	return &encoded
}

func encodedPath(s string) string {
	var out strings.Builder
	for i, r := range s {
		switch {
		case r == '%' && !encodes(s[i:]):
			out.WriteString("%25")
		case r < ' ' || r == 0x7f: // nobody means these
			out.WriteRune(r)
		case catalog.MustBeEncoded(r):
			for _, b := range []byte(string(r)) {
				fmt.Fprintf(&out, "%%%02X", b)
			}
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// encodes reports whether a text begins with an encoded byte.
func encodes(s string) bool {
	const hex = "0123456789abcdefABCDEF"
	return len(s) >= 3 && strings.IndexByte(hex, s[1]) >= 0 && strings.IndexByte(hex, s[2]) >= 0
}

package edge_test

import (
	"net/http"
	"testing"
)

func TestPicturesAreServedAsAWhole(t *testing.T) {
	m := open(t, nil)
	res := m.do("GET", "/pictures/teapot.svg", "")
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/svg+xml" ||
		res.Header.Get("ETag") == "" {
		t.Fatalf("picture: %d, Content-Type %q, ETag %q", res.StatusCode, res.Header.Get("Content-Type"),
			res.Header.Get("ETag"))
	}
	if again := m.do("GET", "/pictures/teapot.svg", "",
		"If-None-Match: "+res.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged picture: %d, want 304", again.StatusCode)
	}
	for _, part := range []string{"bytes=0-9", "bytes=999999-", "lines=1-"} {
		if whole := m.do("GET", "/pictures/teapot.svg", "", "Range: "+part); whole.StatusCode != http.StatusOK ||
			whole.text != res.text {
			t.Errorf("Range %s: %d, %d bytes, want the whole picture of %d", part, whole.StatusCode, len(whole.text),
				len(res.text))
		}
	}
	for _, name := range []string{"notes.txt", "nothing.svg", "..%2fteapot.svg", "%00.svg"} {
		m.do("GET", "/pictures/"+name, "").want(t, name, http.StatusNotFound, "not_found")
	}
}

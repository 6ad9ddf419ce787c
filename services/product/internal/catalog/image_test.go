package catalog

import "testing"

func TestImages(t *testing.T) {
	for raw, want := range map[string]bool{
		"": true, "/images/teapot.svg": true, "https://mall.example/%E8%8C%B6.svg?x=1": true, "http://mall.example": true,
		"javascript:alert(1)": false, "//evil.example": false, `\\evil.example`: false, "https://": false,
		"https:// /x":                 false,
		"https://user@mall.example/x": false, "ftp://mall.example/x": false, "images/x.svg": false,
		"https://mall.example/\r\nx": false, "data:text/html,x": false, "/tea pot.svg": false, "/茶.svg": false, "/%zz": false,
	} {
		if got := isImage(raw); got != want {
			t.Errorf("%q: %v", raw, got)
		}
	}
}

package api

import "testing"

// Sellers copy addresses from a browser's bar or a spreadsheet.
func TestImagesAreEncodedForTheSeller(t *testing.T) {
	for raw, want := range map[string]string{
		"/images/teapot.svg":                 "/images/teapot.svg",
		" /images/tea pot.svg ":              "/images/tea%20pot.svg",
		`/images/"x`:                         "/images/%22x",
		"https://mall.example/茶.svg":         "https://mall.example/%E8%8C%B6.svg",
		"https://mall.example/%E8%8C%B6.svg": "https://mall.example/%E8%8C%B6.svg",
		"https://mall.example/100%.jpg":      "https://mall.example/100%25.jpg",
		"https://mall.example/100%2.jpg":     "https://mall.example/100%252.jpg",
		"HTTPS://münchen.example/ä.jpg?ö=1":  "https://xn--mnchen-3ya.example/%C3%A4.jpg?%C3%B6=1",
		"https://münchen.example":            "https://xn--mnchen-3ya.example",
		`/\evil.example/x`:                   "/%5Cevil.example/x",
	} {
		got := encodedImage(raw)
		if got != want {
			t.Errorf("%q becomes %q, want %q", raw, got, want)
		}
		if again := encodedImage(got); again != got {
			t.Errorf("%q becomes %q when it is sent again", got, again)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add("https://münchen.example/%zz\\?q=ä#%")
	f.Fuzz(func(t *testing.T, s string) {
		if got := encodedImage(s); encodedImage(got) != got {
			t.Errorf("%q is encoded twice", s)
		}
	})
}

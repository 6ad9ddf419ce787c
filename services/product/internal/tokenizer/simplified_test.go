package tokenizer

import (
	"flag"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/longbridgeapp/opencc"
)

var update = flag.Bool("update", false, "write the table of simplified characters")

// simplified.txt holds what OpenCC maps each single character to. OpenCC's phrases are not used, because a character
// must fold to the same one in every text.
func TestSimplifiedMatchesOpenCC(t *testing.T) {
	cc, err := opencc.New("t2s")
	if err != nil {
		t.Fatal(err)
	}
	var from, to strings.Builder
	for _, span := range unicode.Han.R16 {
		for r := rune(span.Lo); r <= rune(span.Hi); r += rune(span.Stride) {
			simple(t, cc, r, &from, &to)
		}
	}
	for _, span := range unicode.Han.R32 {
		for r := rune(span.Lo); r <= rune(span.Hi); r += rune(span.Stride) {
			simple(t, cc, r, &from, &to)
		}
	}
	want := from.String() + "\n" + to.String() + "\n"
	if *update {
		if err := os.WriteFile("simplified.txt", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if simplified != want {
		t.Error("simplified.txt is stale: go test ./services/product/internal/tokenizer -update")
	}
}

func simple(t *testing.T, cc *opencc.OpenCC, r rune, from, to *strings.Builder) {
	t.Helper()
	s, err := cc.Convert(string(r))
	if err != nil {
		t.Fatal(err)
	}
	if one := []rune(s); len(one) == 1 && one[0] != r {
		from.WriteRune(r)
		to.WriteRune(one[0])
	}
}

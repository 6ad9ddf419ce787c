package money

import (
	"encoding/json"
	"testing"
)

func TestSentAmounts(t *testing.T) {
	for sent, want := range map[string]int64{`1299`: 1299, `"12.99"`: 1299, `"12"`: 1200, `0`: 0, `-1`: -1} {
		var in struct{ Total *Sent }
		if err := json.Unmarshal([]byte(`{"total":`+sent+`}`), &in); err != nil {
			t.Fatal(err)
		}
		if n, err := in.Total.In("CNY"); err != nil || *n != want {
			t.Errorf("%s: %v, %v", sent, n, err)
		}
	}
	for _, sent := range []string{`12.99`, `"12.999"`, `""`, `"x"`, `true`, `{}`} {
		s := Sent(sent)
		if n, err := s.In("CNY"); err == nil {
			t.Errorf("%s is taken for %d", sent, *n)
		}
	}
	if n, err := (*Sent)(nil).In("CNY"); n != nil || err != nil {
		t.Errorf("nothing: %v, %v", n, err)
	}
}

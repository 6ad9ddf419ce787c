package web

import (
	"fmt"
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
)

// BenchmarkDecode decodes the body of a checkout and one of the largest bodies.
func BenchmarkDecode(b *testing.B) {
	type line struct {
		ProductID string `json:"product_id"`
		Quantity  int64  `json:"quantity"`
		Note      string `json:"note"`
	}
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf(`{"product_id":"%d","quantity":%d,"note":"\u8336 %s"}`, 1<<40+i, i,
			strings.Repeat("tea ", 20)))
	}
	for name, body := range map[string]string{
		"small": `{"address_id":"1234567890123","lines":[{"product_id":"1234567890123","quantity":2}]}`,
		"large": `{"address_id":"1234567890123","lines":[` + strings.Join(lines, ",") + `]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var in struct {
					AddressID string `json:"address_id"`
					Lines     []line `json:"lines"`
				}
				if err := Decode([]byte(body), &in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Clients on Windows may put a byte order mark before a text.
func TestDecodeNamesAByteOrderMark(t *testing.T) {
	var in struct{}
	err := Decode([]byte("\ufeff{}"), &in)
	if problem.KindOf(err) != problem.BadRequest || !strings.Contains(err.Error(), "byte order mark") {
		t.Errorf("%v", err)
	}
}

// A null is refused, except in a field of the object that may be removed.
func TestOnlyNamedFieldsMayBeNull(t *testing.T) {
	for body, ok := range map[string]bool{`{"most":null}`: true, `{"most":2,"sub":{}}`: true, `{"name":null}`: false,
		`{"sub":{"most":null}}`: false, `{"most":[null]}`: false, `null`: false} {
		var in struct {
			Name string `json:"name"`
			Most *int   `json:"most"`
			Sub  struct {
				Most *int `json:"most"`
			} `json:"sub"`
		}
		if err := Decode([]byte(body), &in, "most"); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

package strength

import (
	"strings"
	"testing"
)

func TestWeakPasswordsAreRefused(t *testing.T) {
	for _, weak := range []string{"aaaaaaaaaa", "password12", "Password12!", "P@ssw0rd123", "1234567890", "0987654321",
		"qwertyuiop", "1q2w3e4r5t",
		"abcdefghij", "iloveyou123", "sunshine99", "liverpool1", "admin12345", "2026-11-26", "wei.chen12", "weichen2026!",
		"chenchenchen",
		"wei.chen@mall.example", strings.Repeat("ab", 60), strings.Repeat("password", 16)} {
		if !Weak(weak, "wei.chen@mall.example") {
			t.Errorf("%q is accepted", weak)
		}
	}
	for _, good := range []string{"Mall-demo-2026", "correct horse battery", "zq8-Lk2mVx", "tea at four o'clock",
		"茶在四点钟喝的人不多见", "woaini1314-chengdu"} {
		if Weak(good, "wei.chen@mall.example") {
			t.Errorf("%q is refused", good)
		}
	}
}

func BenchmarkLongest(b *testing.B) {
	for b.Loop() {
		Weak(strings.Repeat("aB3$passw0rd", 10), "wei.chen@mall.example")
	}
}

package main

import (
	"testing"
	"time"
)

func TestOnlyLoopbackAddressesAreAllowed(t *testing.T) {
	for address, want := range map[string]bool{"http://127.0.0.1:8080": true, "http://[::1]:8080": true,
		"http://10.0.0.1:8080":    false,
		"http://mall.example.org": false, "http://localhost.example.org:8080": false, "": false} {
		if err := onlyHere(address); (err == nil) != want {
			t.Errorf("onlyHere(%q) = %v, want allowed %v", address, err, want)
		}
	}
}

func TestOptionsAreBounded(t *testing.T) {
	for _, args := range [][]string{{"--seconds", "61"}, {"--seconds", "0"}, {"--shoppers", "0"}, {"--shoppers", "257"},
		{"--shoppers", "x"}, {"--rate", "-1"}, {"--rate", "10001"}, {"--scenario", "attack"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse(%v) was accepted", args)
		}
	}
	if o, err := parse(nil); err != nil || len(o.scenarios) != len(scenarios) || len(o.shoppers) != 3 || o.seconds != 5 {
		t.Errorf("parse() = %+v, %v", o, err)
	}
}

func TestBusyExcludesIdleAndStolenTime(t *testing.T) {
	if got := busy("cpu  10 20 30 1000 500 4 6 7000 0 0\ncpu0 1 1 1 1\n"); got != 700 {
		t.Errorf("busy = %v core-ms, want 700", got)
	}
	if got := busy(""); got != 0 {
		t.Errorf("busy of nothing = %v, want 0", got)
	}
}

func TestQuantiles(t *testing.T) {
	var took []time.Duration
	for i := range 100 {
		took = append(took, time.Duration(i+1)*time.Millisecond)
	}
	if a, b, c := quantile(took, .5), quantile(took, .99), quantile(took[:1], .99); a != 51 || b != 100 || c != 1 {
		t.Errorf("quantiles %v, %v, %v; want 51, 100, 1", a, b, c)
	}
}

func TestSearchWordsAreTakenFromNames(t *testing.T) {
	got := words("青花瓷茶壶 Blue-and-White Teapot")
	if len(got) != 3 || got[0] != "青花" || got[2] != "Teapot" {
		t.Errorf("words = %q", got)
	}
}

func TestTurnsAreEven(t *testing.T) {
	began := time.Now().Add(-time.Second)
	two := newTurns(began, 2)
	for _, want := range []time.Duration{0, 500 * time.Millisecond} {
		if at, err := two.wait(t.Context(), began.Add(time.Second)); err != nil || at.Sub(began) != want {
			t.Errorf("a turn at %v (%v), want %v", at.Sub(began), err, want)
		}
	}
	if _, err := two.wait(t.Context(), began.Add(time.Second)); err == nil {
		t.Error("a third turn in a second of two")
	}
	if at, err := newTurns(began, 0).wait(t.Context(), began); err != nil || at.Before(began.Add(time.Second)) {
		t.Errorf("without a rate: %v, %v; want now", at, err)
	}
}

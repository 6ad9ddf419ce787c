package main

import (
	"fmt"
	"strings"
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
		{"--shoppers", "x"}, {"--rate", "-1"}, {"--rate", "10001"}, {"--scenario", "attack"},
		{"--soak", "4"}, {"--soak", "61"}, {"--soak", "10", "--json"}, {"--soak", "10", "--shoppers", "1,64"},
		{"--events", "-1"}, {"--events", "200001"}, {"--streams", "-1"}, {"--streams", "2561"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse(%v) was accepted", args)
		}
	}
	if o, err := parse(nil); err != nil || len(o.scenarios) != len(scenarios) || len(o.shoppers) != 3 || o.seconds != 5 {
		t.Errorf("parse() = %+v, %v", o, err)
	}
}

func TestASoakIsAMixOfMinutes(t *testing.T) {
	o, err := parse([]string{"--soak", "10"})
	if err != nil || o.soak != 10 || len(o.scenarios) != 1 || o.scenarios[0].name != "mix" || o.seconds != 60 {
		t.Errorf("%+v, %v", o, err)
	}
}

// A process grows if it holds a tenth more at the end than after the beginning; stores may hold more data.
func TestWhatGrowsIsNamed(t *testing.T) {
	var samples []map[string]held
	for minute := range 10 {
		n := float64(minute)
		samples = append(samples, map[string]held{
			"steady":    {pid: 1, memory: 100 * mega, goroutines: 100 + 10*float64(minute%2), sockets: 50},
			"leaks":     {pid: 2, memory: 100*mega + n*10*mega, goroutines: 100 + 20*n, sockets: 50 + 10*n},
			"warms up":  {pid: 3, memory: min(n, 3) * 50 * mega, goroutines: 1},
			"small":     {pid: 4, memory: 10*mega + n*mega/2, goroutines: 5 + n, sockets: n},
			"postgres":  {pid: 5, memory: 100*mega + n*20*mega, sockets: 50 + 10*n},
			"restarted": {pid: minute},
		})
	}
	want := "[leaks: 140 → 180 MB leaks: 180 → 260 goroutines leaks: 90 → 130 sockets postgres: 90 → 130 sockets " +
		"restarted was restarted]"
	if got := fmt.Sprint(grown(samples)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestTimesOfTheMachine(t *testing.T) {
	const stat = "cpu  10 20 30 1000 500 4 6 7000 0 0\ncpu0 1 1 1 1\n"
	for want, of := range map[float64][]int{700: {1, 2, 3, 6, 7}, 70600: {1, 2, 3, 8}} {
		if got := busy(stat, of...); got != want {
			t.Errorf("fields %v: busy %v ms, want %v", of, got, want)
		}
	}
	if got := busy("", 1, 2); got != 0 {
		t.Errorf("without /proc: %v", got)
	}
	u := usage{work: 100, self: 20, parts: map[string]float64{"order": 30, "redis": 10}}
	if got := u.others(); got != 40 {
		t.Errorf("others took %v ms, want 40", got)
	}
}

// Figures are also in hops of the same run; a run beside others says so.
func TestFiguresAreInHops(t *testing.T) {
	hop := result{Scenario: "hop", PerSecond: 2000, Mall: 0.4}
	r := result{Scenario: "cart", PerSecond: 400, Mall: 2, Others: 0.11}
	r.inHops(hop)
	if r.Hops != 5 || r.CPUHops != 5 || !strings.Contains(r.line(), "not quiet: other processes took 11%") {
		t.Errorf("%s", r.line())
	}
	alone := result{Scenario: "cart", PerSecond: 400, Mall: 2, Others: 0.09}
	alone.inHops(result{})
	if alone.Hops != 0 || strings.Contains(alone.line(), "quiet") {
		t.Errorf("%s", alone.line())
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

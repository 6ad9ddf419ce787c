package main

import (
	"strings"
	"testing"
)

func TestPackagesAreInstalledOnlyAfterAYes(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "\n": false, "n\n": false, "yellow\n": false,
		"": false} {
		var asked strings.Builder
		got, err := mayInstall(strings.NewReader(answer), &asked, []string{"postgresql", "redis-server"})
		if err != nil || got != want {
			t.Errorf("answer %q: %v, %v; want %v", answer, got, err, want)
		}
		if !strings.Contains(asked.String(), "postgresql and redis-server") {
			t.Errorf("asked %q, want both packages in it", asked.String())
		}
	}
	var asked strings.Builder
	if got, err := mayInstall(strings.NewReader("y\n"), &asked, nil); got || err != nil || asked.Len() > 0 {
		t.Errorf("with nothing missing: %v, %v, asked %q", got, err, asked.String())
	}
}

func TestMallInstallAllowsInstallation(t *testing.T) {
	for text, want := range map[string]bool{"": false, "0": false, "1": true, "true": true, "perhaps": false} {
		t.Setenv("MALL_INSTALL", text)
		if got := installByEnvironment(); got != want {
			t.Errorf("MALL_INSTALL=%q: %v, want %v", text, got, want)
		}
	}
}

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The gateway keeps nothing: a package of the kit that it shares with services must not bring a database with it.
func TestTheGatewayHasNoDatabase(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		if strings.HasPrefix(dep, "gorm.io/") || strings.HasPrefix(dep, "github.com/jackc/pgx/") {
			t.Errorf("it depends on %s", dep)
		}
	}
}

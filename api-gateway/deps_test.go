package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The gateway has no state: a kit package that it shares with the services must not link a database driver into it.
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

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The gateway has no database: no kit package that it shares with the services may link a database driver into it.
func TestTheGatewayDependsOnNoDatabaseDriver(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		if strings.HasPrefix(dep, "gorm.io/") || strings.HasPrefix(dep, "github.com/jackc/pgx/") {
			t.Errorf("the gateway depends on %s", dep)
		}
	}
}

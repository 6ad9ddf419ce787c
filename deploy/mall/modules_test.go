package main

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// The workspace builds everything with the newest version that any module names, but a module built alone or imported
// elsewhere uses its own version. They must be the same: otherwise the tests run with other versions than users do.
func TestEveryDependencyHasOneVersion(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	mods, err := modules(t.Context(), root)
	if err != nil || len(mods) < 4 {
		t.Fatalf("the workspace's modules: %v, %v", mods, err)
	}
	versions := map[string]map[string][]string{} // dependency → version → our modules
	for _, mod := range mods {
		cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
		cmd.Dir = filepath.Join(root, mod)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Require []struct{ Path, Version string }
		}
		if err := json.Unmarshal(out, &file); err != nil {
			t.Fatal(err)
		}
		for _, r := range file.Require {
			if versions[r.Path] == nil {
				versions[r.Path] = map[string][]string{}
			}
			versions[r.Path][r.Version] = append(versions[r.Path][r.Version], mod)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(versions)) {
		if len(versions[path]) > 1 {
			t.Errorf("%s: %v; write the newest into each go.mod and run go mod tidy there", path, versions[path])
		}
	}
}

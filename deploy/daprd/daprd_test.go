package daprd

import (
	"slices"
	"strings"
	"testing"
)

func TestComponentsAreNames(t *testing.T) {
	list := Components()
	if len(list) == 0 || !slices.IsSorted(list) {
		t.Fatalf("components: %v, want a sorted list", list)
	}
	for _, name := range list {
		if strings.HasSuffix(name, ".go") || strings.ContainsAny(name, " /#") {
			t.Errorf("component %q: want the file's name without .go", name)
		}
	}
}

func TestAChangedBuildInputGivesAnotherBinary(t *testing.T) {
	before := binaryPath("/cache")
	modFile = append(modFile, "\n// changed"...)
	if after := binaryPath("/cache"); after == before {
		t.Errorf("path %s stays the same after a change of daprd.mod", after)
	}
}

package main

import (
	"slices"
	"testing"
)

func TestPackagesBeingCompiledAreFound(t *testing.T) {
	got := compiling([][]string{
		{"/go/pkg/tool/compile", "-o", "x.a", "-p", "net/http", "-complete"},
		{"/go/pkg/tool/link", "-o", "order.test"},
		{"go", "test"}, {"compile"},
	})
	if want := []string{"a test program (linking)", "net/http"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A cached result would pass whatever the services do.
func TestEndToEndResultsAreNeverCached(t *testing.T) {
	args := endToEndArgs([]string{"-run", "X"})
	if !slices.Contains(args, "-count=1") {
		t.Errorf("%v: go test may answer from its cache", args)
	}
	// Who asks for more runs gets them: the last one counts.
	args = endToEndArgs([]string{"-count=4"})
	if slices.Index(args, "-count=4") < slices.Index(args, "-count=1") {
		t.Errorf("%v: the asked count is overruled", args)
	}
}

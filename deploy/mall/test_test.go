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

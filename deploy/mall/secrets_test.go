package main

import (
	"os"
	"testing"

	"daprmall.dev/deploy/internal/place"
)

// Two rotations at once would each write back what the other has changed: a service would get a password that its database no longer has.
func TestOneCommandChangesSecrets(t *testing.T) {
	at := place.Place{Home: t.TempDir()}
	if err := os.Mkdir(at.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockSecrets(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockSecrets(at); err == nil {
		t.Error("two commands change secrets at once")
	}
	unlock()
	again, err := lockSecrets(at)
	if err != nil {
		t.Fatalf("the first has ended: %v", err)
	}
	again()
}

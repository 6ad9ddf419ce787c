package main

import (
	"os"
	"path/filepath"
	"testing"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/services/contracts"
)

// The folders of components go with the data of a mall, and what is not the runner's stays.
func TestPurgeLeavesOnlyWhatIsNotTheMalls(t *testing.T) {
	at := layout.Layout{Home: filepath.Join(t.TempDir(), "home")}
	write := func(dir string) string {
		t.Helper()
		file := filepath.Join(at.Home, dir, "file")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	foreign := write("mine")
	folders := 0
	for _, s := range contracts.Services {
		for _, dir := range s.Folders() {
			write(dir)
			folders++
		}
	}
	if err := purgeHome(at); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(at.Home)
	if err != nil || folders == 0 || len(left) != 1 || left[0].Name() != "mine" {
		t.Fatalf("of %d folders and one that is not the mall's are left: %v, %v", folders, left, err)
	}
	if err := os.RemoveAll(filepath.Dir(foreign)); err != nil {
		t.Fatal(err)
	}
	if err := purgeHome(at); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(at.Home); !os.IsNotExist(err) {
		t.Errorf("the empty home is left: %v", err)
	}
}

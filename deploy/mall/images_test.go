package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/image"
)

// Docker builds the same programs, with the same flags and the same user, as the archives have.
func TestTheDockerfileBuildsWhatTheArchivesHave(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "docker", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	var flags []string
	for _, f := range image.Flags {
		if strings.Contains(f, " ") {
			f = `"` + f + `"`
		}
		flags = append(flags, f)
	}
	for _, want := range []string{"go build " + strings.Join(flags, " ") + " -o /out/", "USER " + image.User,
		"ENTRYPOINT [\"" + image.Program + "\"]", "CGO_ENABLED=0"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
	var dirs []string
	for _, dir := range packages() {
		dirs = append(dirs, "./"+dir)
	}
	_, list, _ := strings.Cut(text, "-o /out/")
	list, _, _ = strings.Cut(list, "&&")
	built := regexp.MustCompile(`\./[\w/-]+`).FindAllString(list, -1)
	slices.Sort(built)
	slices.Sort(dirs)
	if !slices.Equal(built, dirs) {
		t.Errorf("the Dockerfile builds %v, the archives have %v", built, dirs)
	}
}

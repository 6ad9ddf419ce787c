package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/image"
	"daprmall.dev/deploy/internal/layout"
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

// An image has no list of authorities: a program that speaks TLS to a store brings Mozilla's.
func TestProgramsInImagesKnowWhomToTrust(t *testing.T) {
	for name, dir := range packages() {
		if name == "api-gateway" || name == "seed" { // they reach a sidecar and the gateway, without TLS
			continue
		}
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+dir)
		cmd.Dir = filepath.Join("..", "..")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(strings.Fields(string(out)), "golang.org/x/crypto/x509roots/fallback") {
			t.Errorf("%s trusts nobody", name)
		}
	}
}

// The archive of a service is the same bytes when it is made again, small, and says what it was made of.
func TestTheArchiveOfAServiceIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a service")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	var made [][]byte
	for range 2 {
		out := t.TempDir()
		o := imaging{only: []string{"cart"}, platforms: []string{image.Here().String()}, tag: "1.0.0", archives: true,
			out: out}
		if err := images(t.Context(), layout.Layout{Root: root, Home: out}, o); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(out, "cart.tar"))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, raw)
		bills, err := filepath.Glob(filepath.Join(out, "cart-linux-*.cdx.json"))
		if err != nil || len(bills) != 1 {
			t.Fatalf("bills of materials: %v, %v", bills, err)
		}
		bill, err := os.ReadFile(bills[0])
		if err != nil || !strings.Contains(string(bill), "pkg:golang/github.com/dapr/go-sdk@") {
			t.Errorf("the bill of materials lacks the Dapr SDK, %v", err)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("two archives of the same source differ")
	}
	if len(made[0]) > 30_000_000 {
		t.Errorf("the archive has %d bytes", len(made[0]))
	}
}

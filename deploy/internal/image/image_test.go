package image

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var about = About{Title: "hello", Description: "Says hello", Version: "1.2.3", Revision: "abc",
	Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("CET", 3600))}

// hello is a program that is built for a platform.
func hello(t *testing.T, p Platform) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(`package main

import (
	"fmt"
	"os"
)

func main() { fmt.Println("hello from", os.Getuid(), len(os.Args)) }
`), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "hello")
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Arch, "GOWORK=off")
	if words, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, words)
	}
	return out
}

// An image runs as nobody without a shell, says what it is, and has the same digest whenever it is made.
func TestAnImageIsTheSameFromTheSameProgram(t *testing.T) {
	program := hello(t, Here())
	first, second := made(t, program, Here()), made(t, program, Here())
	one, err1 := first.Digest()
	two, err2 := second.Digest()
	if one != two || err1 != nil || err2 != nil {
		t.Errorf("digests %s and %s, %v, %v", one, two, err1, err2)
	}
	config, err := first.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != User || strings.Join(config.Config.Entrypoint, " ") != Program || config.OS != "linux" ||
		config.Config.Labels["org.opencontainers.image.created"] != "2026-01-02T02:04:05Z" {
		t.Errorf("config %+v", config)
	}
}

func made(t *testing.T, program string, p Platform) v1.Image {
	t.Helper()
	img, err := New(program, p, about)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// An archive has the same bytes whenever it is written, also with two platforms, and Docker can run what it has.
func TestAnArchiveIsTheSameAndCanBeLoaded(t *testing.T) {
	arm := Platform{"linux", "arm64"}
	one := map[Platform]v1.Image{Here(): made(t, hello(t, Here()), Here())}
	two := map[Platform]v1.Image{Here(): one[Here()], arm: made(t, hello(t, arm), arm)}
	dir := t.TempDir()
	const reference = "mall-test.invalid/hello:1"
	for name, images := range map[string]map[Platform]v1.Image{"one": one, "two": two} {
		var written [][]byte
		for _, again := range []string{"a", "b"} {
			file := filepath.Join(dir, name+again+".tar")
			if err := WriteArchive(file, reference, Index(images)); err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			written = append(written, raw)
		}
		if !bytes.Equal(written[0], written[1]) {
			t.Errorf("%s: two archives of the same images differ", name)
		}
	}
	if read, err := tarball.ImageFromPath(filepath.Join(dir, "onea.tar"), nil); err != nil {
		t.Error(err)
	} else if err := validate.Image(read); err != nil {
		t.Error(err)
	}
	if exec.Command("docker", "version").Run() != nil {
		t.Skip("what needs Docker's engine: there is none")
	}
	if out, err := exec.Command("docker", "load", "--input", filepath.Join(dir, "onea.tar")).CombinedOutput(); err != nil {
		t.Fatalf("docker load: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", reference).Run() })
	out, err := exec.Command("docker", "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", reference,
		"x").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "hello from 65532 2" {
		t.Errorf("it says %q, %v", out, err)
	}
}

// An archive says the full name, so that a node that imports it finds it under the name that a pod asks for.
func TestAnArchiveSaysTheFullName(t *testing.T) {
	images := map[Platform]v1.Image{Here(): made(t, hello(t, Here()), Here())}
	for reference, want := range map[string]string{
		"daprmall/hello:1": "docker.io/daprmall/hello:1", "ghcr.io/me/daprmall/hello:1": "ghcr.io/me/daprmall/hello:1",
		"localhost:5000/hello:1": "localhost:5000/hello:1",
	} {
		file := filepath.Join(t.TempDir(), "hello.tar")
		if err := WriteArchive(file, reference, Index(images)); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("tar", "-xOf", file, "index.json").Output()
		if err != nil || !strings.Contains(string(out), `"io.containerd.image.name": "`+want+`"`) {
			t.Errorf("%s: no name %s in %s, %v", reference, want, out, err)
		}
	}
}

// The bill of materials has the modules of a program with their versions.
func TestTheBillOfMaterialsNamesEveryModule(t *testing.T) {
	program := filepath.Join(t.TempDir(), "audit")
	if out, err := exec.Command("go", "build", "-o", program, "daprmall.dev/deploy/audit").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var b bytes.Buffer
	if err := WriteSBOM(&b, program, about); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"pkg:golang/std@1.`, `"pkg:golang/github.com/jackc/pgx/v5@v5.`,
		`"bomFormat": "CycloneDX"`, `"timestamp": "2026-01-02T02:04:05Z"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing in %d bytes", want, b.Len())
		}
	}
}

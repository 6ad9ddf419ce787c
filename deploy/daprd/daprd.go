// Package daprd finds Dapr's sidecar, or builds it: Dapr's own, from the Go module proxy,
// with only the components that components.txt names. With all of them a sidecar is three
// times as large, in memory and on disk. Three things are changed: the SQLite name resolver
// remembers its answers (names, ADR 9), an answer that is cut off does not end the process
// (_dapr/writer.patch, ADR 25), and no timer wakes a sidecar that waits for events (ticker.patch). Dapr's certificate
// authority is built in the same way (Sentry).
//
// daprd.mod and daprd.sum are Dapr's go.mod and go.sum of that version, with one
// replacement, so that the build is checked against known sums. They have names of
// their own because Dapr is not a dependency of this repository's modules.
package daprd

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Version is the Dapr that is built. An installed one may be any of the same minor.
const Version = "1.18.3"

const supported = "1.18."

var (
	//go:embed components.txt
	components string
	//go:embed daprd.mod
	modFile []byte
	//go:embed daprd.sum
	sumFile []byte
	//go:embed names/names.go
	namesFile []byte
	//go:embed _dapr/nameresolution_sqlite.go
	resolverFile []byte
	//go:embed _dapr/writer.patch
	writerPatch []byte
	//go:embed _dapr/ticker.patch
	tickerPatch []byte
)

// added are our files, by their place in Dapr's source.
var added = map[string][]byte{
	"cmd/daprd/names/names.go":                      namesFile,
	"cmd/daprd/components/nameresolution_sqlite.go": resolverFile,
}

// FromSource is where a sidecar comes from that was built just now.
const FromSource = "built from source"

// Binary is a sidecar that can be started.
type Binary struct {
	Path, Version, From string
}

// Find looks for a supported daprd that is installed, then for one built earlier. Asked
// for by MALL_DAPRD: a path, or "build" to pass over an installed one.
func Find(ctx context.Context, cache string) (Binary, bool, error) {
	asked := os.Getenv("MALL_DAPRD")
	if asked != "" && asked != "build" {
		v, err := version(ctx, asked)
		if err != nil {
			return Binary{}, false, err
		}
		return Binary{asked, v, "MALL_DAPRD"}, true, nil
	}
	if asked == "" {
		for _, path := range installed() {
			if v, err := version(ctx, path); err == nil && strings.HasPrefix(v, supported) {
				return Binary{path, v, "installed"}, true, nil
			}
		}
	}
	built := binaryPath(cache)
	if _, err := os.Stat(built); err == nil {
		return Binary{built, Version, "built earlier"}, true, nil
	}
	return Binary{}, false, nil
}

func installed() []string {
	var out []string
	if p, err := exec.LookPath("daprd"); err == nil {
		out = append(out, p)
	}
	if home, err := os.UserHomeDir(); err == nil {
		if p := filepath.Join(home, ".dapr", "bin", "daprd"); isFile(p) {
			out = append(out, p)
		}
	}
	return out
}

func version(ctx context.Context, path string) (string, error) {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Build builds the sidecar, once per machine and recipe. Progress is told as the number
// of packages compiled so far.
func Build(ctx context.Context, cache string, progress func(packages int)) (Binary, error) {
	return build(ctx, cache, program{"daprd", binaryPath(cache), [][]byte{writerPatch, tickerPatch}}, progress)
}

// program is one of those in Dapr's directory cmd.
type program struct {
	name, path string
	patches    [][]byte
}

func build(ctx context.Context, cache string, p program, progress func(packages int)) (Binary, error) {
	dir := filepath.Dir(p.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Binary{}, err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return Binary{}, err
	}
	defer unlock()
	built := Binary{p.path, Version, FromSource}
	if isFile(built.Path) { // by another mall, while we waited
		built.From = "built earlier"
		return built, nil
	}
	work, err := os.MkdirTemp(cache, p.name+"-build-")
	if err != nil {
		return Binary{}, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // a leftover costs disk, not correctness
	source, err := download(ctx)
	if err != nil {
		return Binary{}, err
	}
	if err := prepare(ctx, source, work, p.patches); err != nil {
		return Binary{}, err
	}
	if err := compile(ctx, work, p.name, progress); err != nil {
		return Binary{}, err
	}
	return built, os.Rename(filepath.Join(work, p.name), built.Path)
}

// download brings Dapr's module into the module cache. It is named with its version on
// the command line, so it is checked against the sum database and our own list.
func download(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", "github.com/dapr/dapr@v"+Version)
	cmd.Dir = os.TempDir()
	cmd.Env = environment()
	out, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || err != nil || module.Error != "" {
		return "", fmt.Errorf("fetch Dapr %s: %s: %w", Version, module.Error, errors.Join(err, jsonErr))
	}
	if module.Sum != moduleSum {
		return "", fmt.Errorf("fetch Dapr %s: its sum is %s, want %s", Version, module.Sum, moduleSum)
	}
	return module.Dir, nil
}

const moduleSum = "h1:iVTqJHRfJlUfiSyhJH4c1mJZ+4PH3cf/QwJcAJL2ROo="

// prepare copies what is compiled, and leaves out the components nobody named. The
// module cache itself is read-only, and an overlay may not change files in it.
func prepare(ctx context.Context, source, work string, patches [][]byte) error {
	wanted := Components()
	for _, part := range []string{"cmd/daprd", "cmd/sentry", "charts", "pkg", "utils"} {
		err := filepath.WalkDir(filepath.Join(source, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(source, path)
			if err != nil {
				return err
			}
			to := filepath.Join(work, "src", rel)
			if d.IsDir() {
				return os.MkdirAll(to, 0o755)
			}
			if strings.HasSuffix(path, "_test.go") {
				return nil
			}
			if filepath.Dir(rel) == filepath.FromSlash("cmd/daprd/components") {
				name := strings.TrimSuffix(d.Name(), ".go")
				if name != "zz_notag" && !slices.Contains(wanted, name) {
					return nil
				}
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(to, raw, 0o644)
		})
		if err != nil {
			return err
		}
	}
	for _, name := range wanted {
		if !isFile(filepath.Join(work, "src/cmd/daprd/components", name+".go")) {
			return fmt.Errorf("components.txt names %s, which Dapr %s does not have", name, Version)
		}
	}
	for name, content := range added {
		to := filepath.Join(work, "src", filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644)); err != nil {
			return err
		}
	}
	for _, diff := range patches {
		if err := patch(ctx, filepath.Join(work, "src"), diff); err != nil {
			return err
		}
	}
	return errors.Join(
		os.WriteFile(filepath.Join(work, "src", "go.mod"), modFile, 0o644),
		os.WriteFile(filepath.Join(work, "daprd.mod"), modFile, 0o644),
		os.WriteFile(filepath.Join(work, "daprd.sum"), sumFile, 0o644))
}

// patch changes files below dir. Git refuses a patch that does not fit exactly.
func patch(ctx context.Context, dir string, diff []byte) error {
	cmd := exec.CommandContext(ctx, "git", "apply", "-")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(diff)
	// a cache inside a repository is no part of it
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("patch Dapr %s: %w\n%s", Version, err, out)
	}
	return nil
}

// Components are the registrations this project's sidecar is built with.
func Components() []string {
	var out []string
	for line := range strings.Lines(components) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// binaryPath depends on everything that goes into the build, so a changed recipe is a new file.
func binaryPath(cache string) string {
	return pathOf(cache, "daprd", []byte(Version), []byte(strings.Join(Components(), ",")), modFile, sumFile,
		namesFile, resolverFile, writerPatch, tickerPatch, []byte(ldflags), []byte(runtime.GOOS+"/"+runtime.GOARCH))
}

func pathOf(cache, name string, inputs ...[]byte) string {
	h := sha256.New()
	for _, part := range inputs {
		h.Write(bytes.TrimSpace(part))
		h.Write([]byte{0})
	}
	return filepath.Join(cache, name+"-"+Version+"-"+hex.EncodeToString(h.Sum(nil)[:6]), name)
}

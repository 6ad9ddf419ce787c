// Package services_test checks the rules of the architecture: which packages may import which, and what every service
// has.
package services_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/services/contracts"
)

const module = "daprmall.dev/services/"

var update = flag.Bool("update", false, "add new migrations to migrations.sum")

type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	Dir        string
	Imports    []string
}

// path is the package's path below services/.
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

// serviceName is the service of a package, "" for kit and contracts.
func (p pkg) serviceName() string {
	first, _, _ := strings.Cut(p.path(), "/")
	if slices.ContainsFunc(contracts.Services, func(s contracts.Service) bool { return s.Dir() == "services/"+first }) {
		return first
	}
	return ""
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Doc,Dir,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath != strings.TrimSuffix(module, "/") {
			all = append(all, p)
		}
	}
}

// only lists who may import a package, by path prefixes below services/ ("*/" stands for any service).
var only = []struct {
	dep, why string
	who      []string
}{
	{"gorm.io/", "the database is seen only from stores and the kit",
		[]string{"*/internal/store", "*/internal/sandbox", "kit/", "contracts/contractstest"}},
	{"github.com/gin-gonic/gin", "the web is seen only from api and the kit's HTTP packages",
		[]string{"*/internal/api", "kit/web", "kit/page", "kit/profiling", "kit/server"}},
	{"github.com/dapr/go-sdk", "kit/sidecar is the only package that calls Dapr", []string{"kit/sidecar"}},
	{"github.com/golang-jwt/", "tokens are made by auth and read by kit/identity",
		[]string{"auth/internal/signing", "kit/identity"}},
	{"github.com/stripe/", "one adapter knows Stripe", []string{"payment/internal/stripe"}},
	{"os", "a service takes nothing from its environment; kit/config does",
		[]string{"kit/config", "kit/app", "kit/handover", "kit/postgres/postgrestest",
			"kit/sidecar/sidecartest"}},
}

func allowed(p pkg, who []string) bool {
	path := p.path() + "/"
	for _, w := range who {
		if rest, any := strings.CutPrefix(w, "*/"); any {
			if p.serviceName() == "" {
				continue
			}
			w = p.serviceName() + "/" + rest
		}
		if strings.HasPrefix(path, strings.TrimSuffix(w, "/")+"/") {
			return true
		}
	}
	return false
}

func TestImportsFollowTheRules(t *testing.T) {
	for _, p := range packages(t) {
		if p.Name == "main" && p.serviceName() == "" {
			t.Errorf("%s is not a service of services/contracts", p.path())
		}
		for _, dep := range p.Imports {
			for _, rule := range only {
				hit := dep == rule.dep || strings.HasSuffix(rule.dep, "/") && strings.HasPrefix(dep, rule.dep) ||
					strings.HasPrefix(dep, rule.dep+"/") && strings.Contains(rule.dep, ".")
				if hit && !allowed(p, rule.who) {
					t.Errorf("%s imports %s: %s", p.path(), dep, rule.why)
				}
			}
			if !strings.HasPrefix(dep, module) {
				continue
			}
			to := pkg{ImportPath: dep}
			switch {
			case to.serviceName() != "" && to.serviceName() != p.serviceName():
				t.Errorf("%s imports %s: services never import services", p.path(), to.path())
			case strings.HasPrefix(p.path(), "kit/") && strings.HasPrefix(to.path()+"/", "contracts/"):
				t.Errorf("%s imports %s: the kit knows no contract", p.path(), to.path())
			case strings.HasPrefix(p.path(), "contracts") && p.path() != "contracts/contractstest" &&
				strings.HasPrefix(to.path(), "kit/"):
				t.Errorf("%s imports %s: a contract needs only the standard library", p.path(), to.path())
			}
		}
	}
}

// domains are the domain packages below internal/ of services with more than one, each with the other domain packages
// that it may import. All other imports between them are refused, so that there is one direction.
var domains = map[string]map[string][]string{
	"product": {
		"inventory": nil, // it knows only the ids of products
		"catalog":   {"inventory"},
	},
}

// pure are packages of the kit that need only the standard library and one another; a domain may use them.
var pure = []string{module + "kit/money", module + "kit/problem", module + "kit/text", module + "kit/turns",
	module + "kit/idempotency/keyed"}

// A service's domain needs only the standard library and the pure packages of the kit.
func TestDomainsImportOnlyPurePackages(t *testing.T) {
	imports := map[string][]string{}
	for _, p := range packages(t) {
		imports[p.path()] = p.Imports
	}
	for _, p := range pure {
		for _, dep := range imports[strings.TrimPrefix(p, module)] {
			if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") && !slices.Contains(pure, dep) {
				t.Errorf("%s imports %s, which domains must not depend on", p, dep)
			}
		}
	}
	for service := range imports {
		if (pkg{ImportPath: module + service}).serviceName() != service {
			continue // not the root of a service
		}
		parts := domains[service]
		if parts == nil {
			parts = map[string][]string{service: nil}
		}
		for part, others := range parts {
			inside := service + "/internal/"
			deps, found := imports[inside+part]
			if !found {
				t.Errorf("%s has no domain package %s", service, part)
			}
			for _, dep := range deps {
				first, _, _ := strings.Cut(dep, "/")
				other, own := strings.CutPrefix(dep, module+inside)
				switch {
				case !strings.Contains(first, "."), slices.Contains(pure, dep):
				case own && slices.Contains(others, other):
				default:
					t.Errorf("%s%s imports %s: a domain knows only the standard library and %v", inside, part, dep, pure)
				}
			}
		}
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	for _, p := range packages(t) {
		if strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s has no package comment", p.path())
		}
	}
}

// Every service has a README, a main of at most 80 lines, and no file that is too long to read at once.
func TestServicesHaveAReadmeAndShortFiles(t *testing.T) {
	for _, p := range packages(t) {
		if p.serviceName() == p.path() {
			if _, err := os.Stat(filepath.Join(p.Dir, "README.md")); err != nil {
				t.Errorf("%s has no README.md", p.path())
			}
			if n := lines(t, filepath.Join(p.Dir, "main.go")); n > 80 {
				t.Errorf("%s/main.go has %d lines, more than 80", p.path(), n)
			}
		}
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if n := lines(t, f); n > 320 && !strings.HasSuffix(f, "_test.go") {
				t.Errorf("%s has %d lines, more than 320", f, n)
			}
		}
	}
}

// removal matches changes that break the previous version, which may still read or write in the old form.
var removal = regexp.MustCompile(`(?i)\b(DROP\s+(TABLE|COLUMN|SCHEMA)|RENAME\s+(TO|COLUMN)|SET\s+NOT\s+NULL)\b`)

// migrations returns the migration files of all services and of the kit.
func migrations(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/*/migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("*/*/*/migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if files = append(files, more...); len(files) < 10 {
		t.Fatalf("found only %v", files)
	}
	slices.Sort(files)
	return files
}

// A migration that was applied to some database must not be changed, because it is not applied again. Add new ones to
// migrations.sum with `go test . -run TestMigrationsDoNotChange -update`.
func TestMigrationsDoNotChange(t *testing.T) {
	kept, err := os.ReadFile("migrations.sum")
	if err != nil && !*update {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(kept)) {
		sum, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[file] = sum
	}
	var all strings.Builder
	for _, f := range migrations(t) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(text))
		if before := sums[f]; before != sum && (before != "" || !*update) {
			t.Errorf("%s: its sum is %q in migrations.sum; add a file instead of changing one", f, before)
		}
		delete(sums, f)
		fmt.Fprintf(&all, "%s  %s\n", sum, f)
	}
	for f := range sums {
		t.Errorf("%s does not exist any more", f)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile("migrations.sum", []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Two versions of a service may run at the same time, so migrations only add to the schema.
func TestMigrationsOnlyExpand(t *testing.T) {
	for _, f := range migrations(t) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bad := removal.Find(text); bad != nil {
			t.Errorf("%s: %s: the previous version may still need it", f, bad)
		}
	}
}

func lines(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

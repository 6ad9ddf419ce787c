package services_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"daprmall.dev/services/contracts/contractstest"
)

// everywhere are codes that no contract of a route lists: those that every internal route may give, and those that only
// sidecars or operators get.
var everywhere = []string{"caller_not_allowed", "not_through_sidecar", "method_not_allowed"}

// Every code of a refusal that a service can give is listed where its callers look: in the gateway's openapi.yaml, or
// among the refusals of the routes between services.
func TestEveryCodeIsListed(t *testing.T) {
	contract, err := os.ReadFile("../api-gateway/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	listed := slices.Clone(everywhere)
	for _, r := range contractstest.Routes() {
		listed = append(listed, r.Refusals...)
	}
	for _, m := range regexp.MustCompile(`code: \{type: string, enum: \[([^\]]*)\]`).
		FindAllStringSubmatch(string(contract), -1) {
		for _, code := range strings.Split(m[1], ",") {
			listed = append(listed, strings.TrimSpace(code))
		}
	}
	given := codesGiven(t)
	if len(given) < 30 {
		t.Fatalf("only %d codes were found in the source: %v", len(given), given)
	}
	for code, where := range given {
		if !slices.Contains(listed, code) && !internal[code] {
			t.Errorf("%s gives the code %q, which no contract lists", where, code)
		}
	}
}

// internal are codes that never leave a service, or only for its operator.
var internal = map[string]bool{
	"stale":       true, // cart reads its document again
	"key_too_new": true, // `mall keys` prints it
}

// codesGiven finds the codes in calls of problem.New and problem.Wrap, each with one position in the source.
func codesGiven(t *testing.T) map[string]string {
	t.Helper()
	given := map[string]string{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.Contains(path, "contractstest") {
			return err
		}
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			at := map[string]int{"New": 1, "Wrap": 2}[fun.Sel.Name]
			if from, ok := fun.X.(*ast.Ident); !ok || from.Name != "problem" || at == 0 || len(call.Args) <= at {
				return true
			}
			if text, ok := call.Args[at].(*ast.BasicLit); ok {
				if code, err := strconv.Unquote(text.Value); err == nil && code != "" {
					given[code] = fset.Position(call.Pos()).String()
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return given
}

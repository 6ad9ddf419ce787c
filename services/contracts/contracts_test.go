package contracts_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/outbox"
)

var update = flag.Bool("update", false,
	"write what is made from the contracts: schemas, OpenAPI files, examples, docs/events.md, Dapr files")

// written returns the files that are generated from the Go types, Services, Topics and the examples, by their path
// relative to this directory.
func written(t *testing.T) map[string][]byte {
	t.Helper()
	docs := comments(t)
	files := map[string][]byte{}
	for _, e := range contractstest.Events() {
		files[e.SchemaFile()] = pretty(t, contractstest.EventSchema(e, docs))
		files[e.Package+"/golden/"+e.Type+".json"] = pretty(t, json.RawMessage(contractstest.Wire(e)))
	}
	for _, r := range contractstest.Routes() {
		pkg := contractstest.Package(r.Service)
		if api := pkg + "/openapi.json"; files[api] == nil {
			files[api] = pretty(t, contractstest.OpenAPI(r.Service, docs))
		}
		at := pkg + "/golden/" + r.Name
		if r.In != nil {
			files[at+".request.json"] = pretty(t, r.In)
		}
		if r.Out != nil {
			files[at+".answer.json"] = pretty(t, r.Out)
		}
	}
	files["../../docs/events.md"] = eventsPage(t, docs)
	maps.Copy(files, daprFiles(t))
	return files
}

// The files that other languages and Dapr read are generated from the Go types, Services and Topics.
func TestGeneratedFilesMatchTheContracts(t *testing.T) {
	files := written(t)
	for name, want := range files {
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from the contracts (%v): run `go test ./services/contracts -update` and review the change",
				name, err)
		}
	}
	err := fs.WalkDir(contracts.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && files[path] == nil {
			t.Errorf("%s is not in the catalogue: delete it", path)
			if *update {
				return os.Remove(path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Examples match their schemas and do not change when they are decoded into the Go types and encoded again.
func TestExamplesMatchTheirSchemas(t *testing.T) {
	for _, e := range contractstest.Events() {
		var wire bytes.Buffer
		if err := json.Compact(&wire, read(t, e.Package+"/golden/"+e.Type+".json")); err != nil {
			t.Fatal(err)
		}
		contractstest.CheckEvents(t, e.Producer, []string{wire.String()})
	}
	for _, r := range contractstest.Routes() {
		pkg := contractstest.Package(r.Service)
		for suffix, like := range map[string]any{".request.json": r.In, ".answer.json": r.Out} {
			if like != nil {
				name := pkg + "/golden/" + r.Name + suffix
				contractstest.Valid(t, name, read(t, name), contractstest.Schema(t, pkg+"/openapi.json",
					"#/components/schemas/"+contractstest.SchemaName(like)), like)
			}
		}
	}
}

// If a schema accepted everything, all checks above would pass.
func TestSchemasRefuseBadEvents(t *testing.T) {
	e := contractstest.Events()[0]
	schema := contractstest.Schema(t, e.SchemaFile(), "")
	good := string(contractstest.Wire(e))
	for what, change := range map[string][2]string{
		"another type":        {`"type":"mall.order.placed.v1"`, `"type":"mall.order.paid.v1"`},
		"no order":            {`"order_id":"7001",`, ``},
		"a number for an id":  {`"order_id":"7001"`, `"order_id":7001`},
		"no id":               {`"user_id":"42"`, `"user_id":"x"`},
		"a fraction":          {`"total":31300`, `"total":313.5`},
		"a negative amount":   {`"total":31300`, `"total":-1`},
		"a quantity of zero":  {`"quantity":2`, `"quantity":0`},
		"null for a list":     {`"lines":[`, `"lines":null,"x":[`},
		"a date without time": {`"placed_at":"2026-11-23T12:00:00Z"`, `"placed_at":"2026-11-23"`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil || text == good {
			t.Fatalf("%s: %v in %s", what, err, text)
		}
		if schema.Validate(value) == nil {
			t.Errorf("the schema accepts %s: %s", what, text)
		}
	}
}

// The catalogue is complete: topics, packages and keys are consistent, and it contains every event type of the
// contracts.
func TestTheCatalogueIsComplete(t *testing.T) {
	types := map[string]bool{}
	for _, e := range contractstest.Events() {
		if types[e.Type] {
			t.Errorf("%s is listed twice", e.Type)
		}
		types[e.Type] = true
		if e.Sample == nil {
			t.Fatalf("%s has no example", e.Type)
		}
		if len(e.Consumers) == 0 {
			t.Errorf("no service handles %s: an event without a consumer must not be published", e.Type)
		}
		var wire outbox.CloudEvent
		if err := json.Unmarshal(contractstest.Wire(e), &wire); err != nil || wire.Subject == "" {
			t.Errorf("%s: subject %q, %v", e.Type, wire.Subject, err)
		}
	}
	for name, value := range constants(t) {
		if strings.Contains(name, ".Type") && !types[value] {
			t.Errorf("%s = %s is not in the catalogue", name, value)
		}
	}
	paths := map[string]bool{}
	for _, r := range contractstest.Routes() {
		paths[r.Path] = true
	}
	for name, value := range constants(t) {
		if strings.Contains(name, ".Path") && !paths[value] {
			t.Errorf("%s = %s is not in the catalogue", name, value)
		}
	}
}

func pretty(t *testing.T, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// source parses the Go files of the contracts and visits their declarations.
func source(t *testing.T, visit func(pkg string, decl *ast.GenDecl)) {
	t.Helper()
	packages, err := filepath.Glob("*v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(packages, "../kit/outbox", "../kit/problem", "../kit/identity") {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if g, ok := d.(*ast.GenDecl); ok {
					visit(f.Name.Name, g)
				}
			}
		}
	}
}

// comments returns the comments of types and fields, by names such as "orderv1.Placed" and "orderv1.Placed.Total".
func comments(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	line := func(groups ...*ast.CommentGroup) string {
		for _, g := range groups {
			if text := strings.TrimSpace(g.Text()); text != "" {
				return strings.Join(strings.Fields(text), " ")
			}
		}
		return ""
	}
	source(t, func(pkg string, g *ast.GenDecl) {
		for _, spec := range g.Specs {
			ts, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			name := pkg + "." + ts.Name.Name
			docs[name] = line(ts.Doc, g.Doc)
			if s, ok := ts.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, n := range f.Names {
						docs[name+"."+n.Name] = line(f.Doc, f.Comment)
					}
				}
			}
		}
	})
	return docs
}

// constants returns the string constants of the contracts, by names such as "orderv1.TypePlaced".
func constants(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	source(t, func(pkg string, g *ast.GenDecl) {
		if g.Tok != token.CONST || !strings.HasSuffix(pkg, "v1") {
			return
		}
		for _, spec := range g.Specs {
			vs := spec.(*ast.ValueSpec)
			for i, n := range vs.Names {
				if i >= len(vs.Values) {
					continue
				}
				if lit, ok := vs.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					values[pkg+"."+n.Name] = strings.Trim(lit.Value, `"`)
				}
			}
		}
	})
	return values
}

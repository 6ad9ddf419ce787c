package charttest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
	"sigs.k8s.io/yaml"
)

// checker returns a function that finds what is wrong with the manifests of a file. Its schemas come from the sources
// of Kubernetes, Dapr, the Gateway API and the Prometheus operator.
func checker(t *testing.T) func(name, manifests string) []string {
	t.Helper()
	dir := t.TempDir()
	builtIn(t, dir)
	custom(t, dir, dapr, "charts/dapr/crds/*.yaml")
	custom(t, dir, gatewayAPI, "config/crd/standard/*.yaml")
	custom(t, dir, prometheusOperator, "example/prometheus-operator-crd/*.yaml")
	v, err := validator.New([]string{dir + "/{{.ResourceKind}}-{{.ResourceAPIVersion}}.json"},
		validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	return func(name, manifests string) (problems []string) {
		for _, r := range v.Validate(name, io.NopCloser(strings.NewReader(manifests))) {
			if r.Status == validator.Invalid || r.Status == validator.Error {
				problems = append(problems, name+": "+r.Err.Error())
			}
		}
		return problems
	}
}

// Modules that have schemas; nothing of them is compiled.
const (
	kubernetes = "k8s.io/kubernetes@v1.37.2"
	dapr       = "github.com/dapr/dapr@v1.18.3"
	gatewayAPI = "sigs.k8s.io/gateway-api@v1.6.0"

	prometheusOperator = "github.com/prometheus-operator/prometheus-operator@v0.92.1"
)

type object = map[string]any

// builtIn writes the schemas of Kubernetes' own kinds.
func builtIn(t *testing.T, dir string) {
	t.Helper()
	for _, file := range filesOf(t, kubernetes, "api/openapi-spec/v3/*_openapi.json") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Components struct{ Schemas object } }
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		components := object{"schemas": doc.Components.Schemas}
		strict(components)
		for name, s := range doc.Components.Schemas {
			kinds, _ := s.(object)["x-kubernetes-group-version-kind"].([]any)
			if len(kinds) != 1 { // those that come with every group are not sent alone
				continue
			}
			k := kinds[0].(object)
			write(t, dir, k["kind"].(string), k["version"].(string),
				object{"$ref": "#/components/schemas/" + name, "components": components})
		}
	}
}

// filesOf returns files of a module.
func filesOf(t *testing.T, module, pattern string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module).Output()
	var found struct{ Dir string }
	if err := errors.Join(err, json.Unmarshal(out, &found)); err != nil {
		t.Fatalf("%s: %v", module, err)
	}
	files, err := filepath.Glob(filepath.Join(found.Dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no %s", module, pattern)
	}
	return files
}

// custom writes the schemas of custom resources, from the files of a module.
func custom(t *testing.T, dir, module, pattern string) {
	t.Helper()
	for _, file := range filesOf(t, module, pattern) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Name   string
					Schema struct{ OpenAPIV3Schema object }
				}
			}
		}
		if err := yaml.Unmarshal(raw, &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, v := range crd.Spec.Versions {
			s := v.Schema.OpenAPIV3Schema
			properties, ok := s["properties"].(object)
			if !ok {
				continue
			}
			properties["metadata"] = object{"type": "object"}
			strict(s)
			write(t, dir, crd.Spec.Names.Kind, v.Name, s)
		}
	}
}

// strict forbids fields that a schema does not name.
func strict(s any) {
	switch s := s.(type) {
	case object:
		if _, named := s["properties"].(object); named && s["additionalProperties"] == nil &&
			s["x-kubernetes-preserve-unknown-fields"] == nil {
			s["additionalProperties"] = false
		}
		for _, below := range s {
			strict(below)
		}
	case []any:
		for _, below := range s {
			strict(below)
		}
	}
}

func write(t *testing.T, dir, kind, version string, schema object) {
	t.Helper()
	raw, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.ToLower(kind)+"-"+version+".json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

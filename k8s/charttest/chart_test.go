// Package charttest renders the chart with every example of values and checks what comes out, without a cluster.
package charttest

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

const directory = "../mall"

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(directory)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// examples are sets of values: none, and each file of ../examples.
func examples(t *testing.T) map[string]chartutil.Values {
	t.Helper()
	all := map[string]chartutil.Values{"none": {}}
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		values, err := chartutil.ReadValuesFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = values
	}
	return all
}

// render returns the manifests by their template.
func render(c *chart.Chart, values chartutil.Values) (map[string]string, error) {
	where := chartutil.ReleaseOptions{Name: "shop", Namespace: "mall", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, values, where, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	out, err := engine.Render(c, all)
	maps.DeleteFunc(out, func(name, text string) bool {
		return strings.TrimSpace(text) == "" || !strings.HasSuffix(name, ".yaml")
	})
	return out, err
}

// A store that restarts fails requests, and one without a volume loses its data.
func TestANewVersionDoesNotRestartTheStores(t *testing.T) {
	stores := func(version string) (specs []any) {
		t.Helper()
		c := load(t)
		c.Metadata.Version, c.Metadata.AppVersion = version, version
		out, err := render(c, chartutil.Values{})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(out["mall/templates/stores.yaml"], "\n---\n") {
			var o object
			if err := yaml.Unmarshal([]byte(text), &o); err != nil {
				t.Fatal(err)
			}
			if o["kind"] == "StatefulSet" {
				specs = append(specs, o["spec"])
			}
		}
		return specs
	}
	before, after := stores("1.0.0"), stores("1.1.0")
	if len(before) != 2 || !reflect.DeepEqual(before, after) {
		t.Errorf("a new version changes the stores from\n%v\nto\n%v", before, after)
	}
}

func TestTheChartHasNoLint(t *testing.T) {
	for name, values := range examples(t) {
		for _, m := range lint.All(directory, values, "mall", true).Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("with the values %s: %v", name, m)
			}
		}
	}
}

// What the API server would refuse, and fields that it would not know.
func TestManifestsAreValid(t *testing.T) {
	check := checker(t)
	for name, values := range examples(t) {
		out, err := render(load(t), values)
		if err != nil {
			t.Fatalf("with the values %s: %v", name, err)
		}
		for _, file := range slices.Sorted(maps.Keys(out)) {
			for _, problem := range check(file, out[file]) {
				t.Errorf("with the values %s: %s", name, problem)
			}
		}
	}
}

// A mistake in the values is refused with a text that names it.
func TestMistakesInValuesAreRefused(t *testing.T) {
	for values, want := range map[string]string{
		"replica: 3":                          "replica",
		"replicas: 0":                         "replicas",
		"images: {tag: latest}":               "tag",
		"events: {broker: nats}":              "broker",
		"events: {broker: kafka}":             "brokers",
		"postgres: {inside: false}":           "host",
		"redis: {inside: false, address: x}":  "address",
		"services: {orders: {replicas: 2}}":   "orders",
		"settings: {a: 1}":                    "settings",
		"pictures: {store: volume}":           "claim",
		"pictures: {store: nfs}":              "store",
		"gateway: {ingress: {enabled: true}}": "host",
	} {
		v, err := chartutil.ReadValues([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		_, err = render(load(t), v)
		if err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want an error with %s", values, err, want)
		}
	}
}

// Product's sidecar loads the store of pictures that the values name, and may reach its bucket.
func TestPicturesAreKeptWhereTheValuesSay(t *testing.T) {
	for store, want := range map[string]string{"none": "", "s3": "pictures: bindings.aws.s3",
		"oss":    "pictures-read: bindings.aws.s3, pictures: bindings.alicloud.oss",
		"volume": "pictures: bindings.localstorage"} {
		v, err := chartutil.ReadValues([]byte("pictures: {store: " + store + ", claim: shared, port: 9443}"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := render(load(t), v)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, found := range regexp.MustCompile(`(?m)^  name: (pictures\S*)\nspec:\n  type: (\S+)\n[^-]*(?:    .*\n)*`+
			`scopes: \[product\]$`).FindAllStringSubmatch(out["mall/templates/dapr.yaml"], -1) {
			got = append(got, found[1]+": "+found[2])
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: product loads %q, want %q", store, text, want)
		}
		reaches := strings.Contains(out["mall/templates/networkpolicies.yaml"], "port: 9443")
		if bucket := store == "s3" || store == "oss"; reaches != bucket {
			t.Errorf("%s: product may reach a bucket: %v", store, reaches)
		}
	}
}

// The pod that can read all Secrets is there only on request.
func TestTheCommandsAreOnRequest(t *testing.T) {
	for values, want := range map[string]bool{"{}": false, "commands: true": true} {
		v, err := chartutil.ReadValues([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		out, err := render(load(t), v)
		if err != nil {
			t.Fatal(err)
		}
		text := out["mall/templates/setup.yaml"]
		if got := strings.Contains(text, "name: commands"); got != want || text == "" {
			t.Errorf("with the values %s: the pod is there: %v", values, got)
		}
	}
}

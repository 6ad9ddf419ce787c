package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// A package installs the images of its version without any value.
func TestAPackageInstallsItsOwnImages(t *testing.T) {
	c, err := loader.Load("../../mall")
	if err != nil {
		t.Fatal(err)
	}
	if err := release(c, "v1.2.3", "ghcr.io/me/daprmall"); err != nil {
		t.Fatal(err)
	}
	file, err := chartutil.Save(c, t.TempDir())
	if err != nil || !strings.HasSuffix(file, "mall-1.2.3.tgz") {
		t.Fatalf("%s, %v", file, err)
	}
	packed, err := loader.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	values, err := chartutil.ToRenderValues(packed, nil, chartutil.ReleaseOptions{Name: "shop", Namespace: "mall"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := engine.Render(packed, values)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(slices.Collect(maps.Values(out)), "\n")
	for _, program := range []string{"order", "setup", "redislua"} {
		if want := "ghcr.io/me/daprmall/" + program + ":v1.2.3"; !strings.Contains(all, want) {
			t.Errorf("nothing runs %s", want)
		}
	}
}

func TestAPackageNeedsAVersionAndARepository(t *testing.T) {
	for name, given := range map[string][2]string{
		"no version": {"", "ghcr.io/me/daprmall"}, "no repository": {"1.2.3", ""}, "no semantic version": {"main", "x"},
	} {
		c, err := loader.Load("../../mall")
		if err != nil {
			t.Fatal(err)
		}
		if release(c, given[0], given[1]) == nil {
			t.Errorf("%s: it is packaged", name)
		}
	}
}

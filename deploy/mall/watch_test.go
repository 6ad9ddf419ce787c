package main

import (
	"path/filepath"
	"slices"
	"testing"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/runfile"

	"github.com/fsnotify/fsnotify"
)

// A changed file affects the services that are built from it, and no others.
func TestAChangedFileAffectsTheServicesBuiltFromIt(t *testing.T) {
	at, err := layout.Find()
	if err != nil {
		t.Fatal(err)
	}
	all, err := runfile.Read(filepath.Join(at.Root, "dapr.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	apps := slices.DeleteFunc(all, func(a runfile.App) bool {
		return a.ID != "order" && a.ID != "cart" &&
			a.ID != "api-gateway"
	})
	made, err := sourcesOf(t.Context(), at, apps)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		"services/order/main.go":                         {"order"},
		"services/order/internal/store/store.go":         {"order"},
		"services/order/internal/store/store_test.go":    nil,
		"services/order/internal/store/new.go":           {"order"},
		"services/order/README.md":                       nil,
		"services/kit/outbox/outbox.go":                  {"cart", "order"},
		"services/kit/outbox/migrations/0001_outbox.sql": {"cart", "order"},
		"services/kit/sidecar/sidecar.go":                {"api-gateway", "cart", "order"},
		"services/payment/internal/payment/service.go":   nil,
		"api-gateway/openapi.yaml":                       {"api-gateway"},
		"services/order/internal/store/.store.go.swp":    nil,
		"deploy/mall/watch.go":                           nil,
	} {
		if file == "services/kit/outbox/migrations/0001_outbox.sql" { // the first migration, whatever its name
			found, _ := filepath.Glob(filepath.Join(at.Root, "services/kit/outbox/migrations/*.sql"))
			file, _ = filepath.Rel(at.Root, found[0])
		}
		var got []string
		for _, a := range made.of(fsnotify.Event{Name: filepath.Join(at.Root, file), Op: fsnotify.Write}) {
			got = append(got, a.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s affects %v, want %v", file, got, want)
		}
		if n := len(made.of(fsnotify.Event{Name: filepath.Join(at.Root, file), Op: fsnotify.Chmod})); n > 0 {
			t.Errorf("%s with another mode affects %d, want 0", file, n)
		}
	}
}

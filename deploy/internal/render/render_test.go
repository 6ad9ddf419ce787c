package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/broker"
)

func TestOnlyWholeValuesAreReplaced(t *testing.T) {
	in := `a: 127.0.0.1:8581
b: .mall/secrets.json
c: "see 127.0.0.1:8581 and .mall/ here" # .mall/x
---
d: [127.0.0.1:8581, x]
`
	out, err := render([]byte(in), Values{Addresses: map[string]string{Redis: "redis:1"}, Home: "/h"})
	if err != nil {
		t.Fatal(err)
	}
	want := `a: redis:1
b: /h/secrets.json
c: "see 127.0.0.1:8581 and .mall/ here" # .mall/x
---
d: ['redis:1', x]
`
	if string(out) != want {
		t.Errorf("rendered:\n%s\nwant:\n%s", out, want)
	}
}

func TestTheRepositorysFilesCanBeRendered(t *testing.T) {
	sources := []string{"../../../components/local", "../../../dapr-config"}
	for overlay, want := range map[string]map[string]string{
		"":                          {"events.yaml": "pubsub.redis", "subscriptions.yaml": "pubsubname: events\n"},
		"../../../components/kafka": {"events.yaml": "broker:1", "subscriptions.yaml": "pubsubname: events\n"},
		"../../../components/rocketmq": {"events.yaml": "broker:1", "events-in.yaml": "broker:1",
			"subscriptions.yaml": "pubsubname: events-in\n"},
	} {
		dir := t.TempDir() + "/out"
		if err := Dirs(sources, overlay, dir, Values{Home: "/h", Addresses: map[string]string{Redis: "redis:1",
			broker.Default: "broker:1"}}); err != nil {
			t.Fatal(err)
		}
		if err := Dirs([]string{dir}, "", dir+"2", Values{}); err != nil {
			t.Fatalf("the rendered files cannot be parsed: %v", err)
		}
		for name, part := range want {
			if raw, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(raw), part) {
				t.Errorf("with %q, %s has no %q (%v)", overlay, name, part, err)
			}
		}
	}
	for _, overlay := range []string{"", t.TempDir()} {
		err := Dirs([]string{t.TempDir()}, overlay, t.TempDir(), Values{})
		if err == nil || !strings.Contains(err.Error(), "no YAML files") {
			t.Errorf("an empty source: %v, want an error", err)
		}
	}
}

const subscription = `kind: Subscription
spec:
    routes:
        default: /events
scopes: [cart]
`

func TestEachAppHasItsOwnPathForEvents(t *testing.T) {
	out, err := render([]byte(subscription), Values{Events: map[string]string{"cart": "c0ffee", "order": "x"}})
	if err != nil || !strings.Contains(string(out), "default: /events/c0ffee\n") {
		t.Errorf("rendered %s, %v", out, err)
	}
	out, err = render([]byte(subscription), Values{Events: map[string]string{"order": "x"}})
	if err != nil || !strings.Contains(string(out), "default: /events\n") {
		t.Errorf("for an app that is not started: %s, %v", out, err)
	}
	for name, in := range map[string]string{
		"two apps":     strings.Replace(subscription, "[cart]", "[cart, order]", 1),
		"another path": strings.Replace(subscription, "/events", "/orders", 1),
		"rules":        strings.Replace(subscription, "default: /events", "rules: []", 1),
	} {
		if out, err := render([]byte(in), Values{Events: map[string]string{"cart": "c0ffee", "order": "x"}}); err == nil {
			t.Errorf("%s: rendered %s, want an error", name, out)
		}
	}
}

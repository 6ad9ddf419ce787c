package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/containers"
	"daprmall.dev/deploy/internal/secrets"
)

// repository is a volume in an empty directory, for the Dapr files of this repository.
func repository(t *testing.T, kind broker.Kind) volume {
	t.Helper()
	return volume{home: t.TempDir(), broker: kind, components: filepath.Join("..", "..", "components"),
		config: filepath.Join("..", "..", "dapr-config")}
}

func filled(t *testing.T, v volume) map[string]string {
	t.Helper()
	if err := v.fill(""); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err := filepath.WalkDir(v.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		name, _ := filepath.Rel(v.home, path)
		files[name] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A start of a mall that was started before changes no secret, also not while its containers run.
func TestASecondStartChangesNothing(t *testing.T) {
	v := repository(t, broker.Redis)
	first := filled(t, v)
	info, err := os.Stat(filepath.Join(v.home, "order-daprd", "secrets.json"))
	if err != nil {
		t.Fatal(err)
	}
	second := filled(t, v)
	for name, text := range first {
		if second[name] != text {
			t.Errorf("%s was changed", name)
		}
	}
	if len(first) != len(second) {
		t.Errorf("%d files, then %d", len(first), len(second))
	}
	if again, err := os.Stat(filepath.Join(v.home, "order-daprd", "secrets.json")); err != nil ||
		!again.ModTime().Equal(info.ModTime()) {
		t.Errorf("an unchanged file was written again (%v)", err)
	}
}

// A container's directory has the secrets that it needs, and no other's.
func TestAContainerGetsItsOwnSecrets(t *testing.T) {
	v := repository(t, broker.Redis)
	files := filled(t, v)
	store, err := secrets.Read(v.private())
	if err != nil {
		t.Fatal(err)
	}
	own, err := secrets.Read(filepath.Join(v.home, "order-daprd"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range own {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"idempotency-hmac", "order-callers", "order-db", "order-peers", "redis", "settings-readers"}
	if !slices.Equal(names, want) {
		t.Errorf("the sidecar of order has the secrets %v, want %v", names, want)
	}
	if readers := own.SettingsReaders(); len(readers) != 1 || readers["order"] != store.SettingsReaders()["order"] {
		t.Errorf("the sidecar of order can read the settings of %d apps", len(readers))
	}
	if !strings.Contains(own.DSN("order"), "@"+postgresAddr+"/order?") {
		t.Errorf("order's database is at %s", strings.ReplaceAll(own.DSN("order"), own.DatabasePassword("order"), "***"))
	}
	for _, app := range containers.Apps() {
		if env := files[filepath.Join(app, "env")]; strings.Contains(env, store.RedisPassword()) {
			t.Errorf("%s has the password of Redis in its environment", app)
		}
	}
	if _, there := files["product-redislua/env"]; !there {
		t.Error("the component beside product has no environment")
	}
	if _, there := files["order-redislua/env"]; there {
		t.Error("order has no component")
	}
}

// A sidecar delivers events on the path that its app knows, finds others by the name of their pod, and keeps nothing of
// this machine's addresses.
func TestASidecarsFilesAreForContainers(t *testing.T) {
	files := filled(t, repository(t, broker.Redis))
	_, token, _ := strings.Cut(files["cart/env"], "EVENTS_TOKEN=")
	token, _, _ = strings.Cut(token, "\n")
	if subscriptions := files["cart-daprd/resources/subscriptions.yaml"]; token == "" ||
		!strings.Contains(subscriptions, "/events/"+token) || strings.Contains(subscriptions, "[order]") {
		t.Errorf("cart's subscriptions: %s", subscriptions)
	}
	if config := files["cart-daprd/config.yaml"]; !strings.Contains(config, "component: nameformat") ||
		!strings.Contains(config, sidecars) {
		t.Errorf("cart's configuration: %s", config)
	}
	for name, text := range files {
		if strings.HasSuffix(name, ".yaml") && strings.Contains(text, "127.0.0.1") {
			t.Errorf("%s has an address of this machine", name)
		}
	}
}

// The broker can be changed; files that only the other one needs disappear.
func TestTheBrokerCanBeChanged(t *testing.T) {
	v := repository(t, broker.Redis)
	filled(t, v)
	leftover := filepath.Join(v.home, "order-daprd", "resources", "events-in.yaml")
	if err := os.WriteFile(leftover, []byte("kind: Component\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	v.broker = broker.Kafka
	files := filled(t, v)
	if events := files["order-daprd/resources/events.yaml"]; !strings.Contains(events, "pubsub.kafka") ||
		!strings.Contains(events, kafkaAddr) {
		t.Errorf("order's events: %s", events)
	}
	if _, err := os.Stat(leftover); err == nil {
		t.Error("a file of another broker was left")
	}
	v.broker = broker.RocketMQ
	if err := v.fill(""); err == nil {
		t.Error("RocketMQ was accepted")
	}
}

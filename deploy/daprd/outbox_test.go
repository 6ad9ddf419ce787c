package daprd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"daprmall.dev/deploy/internal/broker"
)

// BenchmarkDaprsOutbox measures what this project does not use: the outbox of Dapr's state stores, here Redis. It ends
// when all events are delivered. Kafka and RocketMQ take part where their variables name one (docs/performance.md).
func BenchmarkDaprsOutbox(b *testing.B) {
	for _, k := range broker.Kinds {
		b.Run(string(k), func(b *testing.B) { daprsOutbox(b, k) })
	}
}

// writers are as many transactions at a time.
const writers = 64

func daprsOutbox(b *testing.B, k broker.Kind) {
	b.Helper()
	addr := os.Getenv(k.Variable())
	if k == broker.Redis {
		addr = os.Getenv("MALL_TEST_REDIS_ADDR")
	}
	if addr == "" {
		b.Skipf("%s is not set", k.Variable())
	}
	const app, topic = "outbox", "stored"
	if k != broker.Redis {
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		// Dapr publishes to the second one first, with its namespace, app and topic as the name.
		if err := broker.Topics(ctx, k, addr, true, []string{topic, "default" + app + topic + "outbox"}); err != nil {
			b.Fatal(err)
		}
	}
	received := make(chan time.Duration, b.N+writers)
	handler := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct{ Data string }
		if r.URL.Path != "/stored" || json.NewDecoder(r.Body).Decode(&event) != nil {
			return
		}
		run, rest, _ := strings.Cut(event.Data, " ")
		began, _, _ := strings.Cut(rest, " ")
		if at, err := time.Parse(time.RFC3339Nano, began); err == nil && run == b.Name() {
			received <- time.Since(at)
		}
	}))
	b.Cleanup(handler.Close)
	dir := b.TempDir()
	outboxResources(b, dir, k, addr, topic)
	_, port, _ := strings.Cut(strings.TrimPrefix(handler.URL, "http://"), ":")
	sidecar := start(b, daprdProgram(b), dir, app, port)
	commit := func(n int) error {
		// A string, because Dapr publishes other values as Go prints them.
		value := strings.Join([]string{b.Name(), time.Now().Format(time.RFC3339Nano), strings.Repeat("x", 300)}, " ")
		body, err := json.Marshal(map[string]any{"operations": []any{map[string]any{"operation": "upsert",
			"request": map[string]any{"key": fmt.Sprint(n), "value": value}}}})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost,
			"http://"+sidecar.address+"/v1.0/state/store/transaction", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		answer, err := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusNoContent {
			return fmt.Errorf("%s: %s", resp.Status, answer)
		}
		return err
	}
	warmUp(b, commit, received, sidecar)

	b.ResetTimer()
	group, began := errgroup.Group{}, time.Now()
	group.SetLimit(writers)
	for n := range b.N {
		group.Go(func() error { return commit(n) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	latencies := make([]time.Duration, 0, b.N)
	for len(latencies) < b.N {
		select {
		case l := <-received:
			latencies = append(latencies, l)
		case <-time.After(time.Minute):
			b.Fatalf("%d of %d events arrived\n%s", len(latencies), b.N, sidecar.log())
		}
	}
	took := time.Since(began)
	slices.Sort(latencies)
	b.ReportMetric(float64(b.N)/took.Seconds(), "events/s")
	b.ReportMetric(float64(latencies[len(latencies)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(latencies[len(latencies)*99/100].Milliseconds()), "p99-ms")
}

// warmUp commits until an event arrives: RocketMQ skips the first ones of a new topic.
func warmUp(b *testing.B, commit func(n int) error, received <-chan time.Duration, sidecar *pair) {
	b.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		err = commit(-1)
		select {
		case <-received:
			return
		case <-time.After(3 * time.Second):
		}
	}
	b.Fatalf("no event arrives (last transaction: %v)\n%s", err, sidecar.log())
}

func outboxResources(b *testing.B, dir string, k broker.Kind, addr, topic string) {
	b.Helper()
	settings := map[broker.Kind]map[string]string{
		broker.Redis: {"redisHost": addr, "concurrency": "64", "queueDepth": "256"},
		broker.Kafka: {"brokers": addr, "authType": "none", "version": "4.1.0", "consumerGroup": "outbox",
			"initialOffset": "oldest"},
		broker.RocketMQ: {"nameServer": addr, "instanceName": "outbox-{uuid}", "producerGroup": "outbox",
			"consumerGroup": "outbox", "content-type": "application/json", "pullInterval": "0"},
	}
	store := map[string]string{"redisHost": os.Getenv("MALL_TEST_REDIS_ADDR"), "outboxPublishPubsub": "events",
		"outboxPublishTopic": topic}
	files := map[string]any{
		"store.yaml":  component("store", "state.redis", store),
		"events.yaml": component("events", "pubsub."+string(k), settings[k]),
		"subscription.yaml": map[string]any{"apiVersion": "dapr.io/v2alpha1", "kind": "Subscription",
			"metadata": map[string]any{"name": "stored"},
			"spec": map[string]any{"pubsubname": "events", "topic": topic,
				"routes": map[string]any{"default": "/stored"}}},
	}
	if err := os.Mkdir(filepath.Join(dir, "resources"), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(
		`{apiVersion: dapr.io/v1alpha1, kind: Configuration, metadata: {name: test}, spec: {tracing: {samplingRate: "0"},
		nameResolution: {component: sqlite, version: v1, configuration: {connectionString: `+
			filepath.Join(dir, "names.db")+`}}}}`), 0o600); err != nil {
		b.Fatal(err)
	}
	for name, content := range files {
		raw, err := json.Marshal(content) // which is YAML, too
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "resources", name), raw, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func component(name, kind string, settings map[string]string) map[string]any {
	var metadata []map[string]string
	for k, v := range settings {
		metadata = append(metadata, map[string]string{"name": k, "value": v})
	}
	return map[string]any{"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"type": kind, "version": "v1", "metadata": metadata}}
}

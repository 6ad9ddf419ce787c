package contracts_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/server"
)

const eventsHead = `# Events

Written from the contracts by ` + "`go test ./services/contracts -update`" + `; a test holds it to them, to what the services handle and to the
subscriptions in ` + "`dapr-config/subscriptions.yaml`" + `. How events travel: [architecture](architecture.md).

An event is a [CloudEvent](https://cloudevents.io) 1.0 in JSON: a fact in the past tense, with ids and amounts, without personal data. Amounts are in
minor units, ids are decimal texts. For other languages: the JSON Schema of each type is in
` + "`services/contracts/<package>/schema`" + `, an example of each in ` + "`services/contracts/<package>/golden`" + `.

What a consumer relies on:

- **At least once.** The ` + "`id`" + ` is the same in every delivery. A consumer keeps it in the transaction of its effect, and drops what it has.
- **In no order.** ` + "`aggregate_version`" + ` grows with every change of the aggregate: a copy of state ignores what is older than it has.
- **Nothing is lost.** What the broker did not bring, the producer's feed does: ` + "`GET /events?after=<position>&after_id=<id of the event there>`" + `,
  open to its consumers. Without ` + "`after`" + ` it begins with the first event that is kept (14 days). 409 ` + "`feed_forked`" + `: the producer's database was restored and the position is
  not of its history any more; read the feed again without ` + "`after`" + `, what you have you know by its id. 410 ` + "`feed_gone`" + `: events after the position are not kept any more.
- **Contracts grow.** Fields are added, never changed or removed; a reader ignores what it does not know. A breaking change is a new type (` + "`.v2`" + `).
- **Failures are parked.** An event whose handler fails waits in the consumer's inbox with its reason, and is tried again from 1 s to 5 min apart.

| Type | Topic | From | To | When |
|---|---|---|---|---|
`

// eventsPage is docs/events.md.
func eventsPage(t *testing.T, docs map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString(eventsHead)
	for _, e := range contractstest.Events() {
		var to []string
		for _, c := range e.Consumers {
			to = append(to, c.Service)
		}
		fmt.Fprintf(&out, "| [`%s`](#%s) | `%s` | %s | %s | %s |\n", e.Type, strings.ReplaceAll(e.Type, ".", ""), e.Topic, e.Producer, strings.Join(to, ", "), e.When)
	}
	for _, e := range contractstest.Events() {
		fmt.Fprintf(&out, "\n## %s\n\n%s Topic `%s`, key `%s`, from **%s**.\n\n", e.Type, e.When, e.Topic, e.Key, e.Producer)
		for _, c := range e.Consumers {
			fmt.Fprintf(&out, "- **%s** %s\n", c.Service, c.Does)
		}
		out.WriteString("\n| Field of `data` | Type | |\n|---|---|---|\n")
		fields(&out, docs, reflect.TypeOf(e.Sample), "")
	}
	return out.Bytes()
}

func fields(out io.Writer, docs map[string]string, t reflect.Type, prefix string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		doc := docs[t.String()+"."+f.Name]
		if options == "omitempty" {
			doc = strings.TrimSpace("may be missing; " + doc)
		}
		kind, deeper := f.Type.Kind().String(), f.Type
		switch {
		case f.Type.String() == "time.Time":
			kind = "RFC 3339 time"
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			kind, deeper = "list", f.Type.Elem()
		case f.Type.Kind() == reflect.Slice:
			kind = "list of " + f.Type.Elem().Kind().String()
		case f.Type.Kind() == reflect.Int64:
			kind = "integer"
		case strings.HasSuffix(name, "_id"):
			kind = "id"
		}
		fmt.Fprintf(out, "| `%s%s` | %s | %s |\n", prefix, name, kind, doc)
		if deeper != f.Type {
			fields(out, docs, deeper, prefix+name+"[].")
		}
	}
}

// subscription is what a sidecar delivers to an app: the route of each type, by topic.
type subscription struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		PubsubName string `yaml:"pubsubname"`
		Topic      string
		Routes     struct {
			Rules   []struct{ Match, Path string }
			Default string
		}
		DeadLetterTopic string `yaml:"deadLetterTopic"`
		BulkSubscribe   struct {
			Enabled            bool
			MaxMessagesCount   int `yaml:"maxMessagesCount"`
			MaxAwaitDurationMs int `yaml:"maxAwaitDurationMs"`
		} `yaml:"bulkSubscribe"`
	}
	Scopes []string
}

func documents[T any](t *testing.T, file string) []T {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var one T
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, one)
	}
}

// A service hears the topics whose events it handles, all on its one route: the inbox passes over what it does not handle.
func TestSubscriptionsAreTheCatalogues(t *testing.T) {
	got, want := map[string]string{}, map[string]string{}
	for _, s := range documents[subscription](t, "../../dapr-config/subscriptions.yaml") {
		if s.Kind == "" {
			continue // an empty document
		}
		if s.Kind != "Subscription" || s.Spec.PubsubName != "events" || len(s.Scopes) != 1 || len(s.Spec.Routes.Rules) > 0 || s.Spec.DeadLetterTopic != "" {
			t.Errorf("%s: %+v; want one app, one route and no dead letters", s.Metadata.Name, s)
			continue
		}
		if b := s.Spec.BulkSubscribe; !b.Enabled || b.MaxMessagesCount < 1 || b.MaxAwaitDurationMs < 1 {
			t.Errorf("%s: bulkSubscribe is %+v, and Dapr's defaults wait for a second", s.Metadata.Name, b)
		}
		rule := s.Scopes[0] + ", topic " + s.Spec.Topic
		if got[rule] != "" {
			t.Errorf("twice: %s", rule)
		}
		got[rule] = s.Spec.Routes.Default
	}
	for _, e := range contractstest.Events() {
		for _, c := range e.Consumers {
			want[c.Service+", topic "+e.Topic] = server.EventsPath("")
		}
	}
	same(t, "subscriptions.yaml", got, want)
}

func same(t *testing.T, file string, got, want map[string]string) {
	t.Helper()
	for rule, path := range want {
		if got[rule] != path {
			t.Errorf("%s: %s goes to %q, want %q", file, rule, got[rule], path)
		}
	}
	for rule := range got {
		if _, ok := want[rule]; !ok {
			t.Errorf("%s: %s, and nobody handles it", file, rule)
		}
	}
}

// The broker lets a service publish only what it tells, and hear only what it handles.
func TestTopicScopesAreTheCatalogues(t *testing.T) {
	publish, hear := map[string][]string{}, map[string][]string{}
	for _, e := range contractstest.Events() {
		publish[e.Producer] = append(publish[e.Producer], e.Topic)
		for _, c := range e.Consumers {
			hear[c.Service] = append(hear[c.Service], e.Topic)
		}
	}
	type component struct {
		Spec struct {
			Metadata []struct{ Name, Value string }
		}
		Scopes []string
	}
	for _, c := range documents[component](t, "../../components/local/events.yaml") {
		scopes := map[string]map[string]string{}
		for _, m := range c.Spec.Metadata {
			if m.Name != "publishingScopes" && m.Name != "subscriptionScopes" {
				continue
			}
			scopes[m.Name] = map[string]string{}
			for part := range strings.SplitSeq(m.Value, ";") {
				app, topics, _ := strings.Cut(part, "=")
				scopes[m.Name][app] = topics
			}
		}
		for name, want := range map[string]map[string][]string{"publishingScopes": publish, "subscriptionScopes": hear} {
			for _, app := range c.Scopes {
				got, listed := scopes[name][app]
				if topics := unique(want[app]); !listed || got != strings.Join(topics, ",") {
					t.Errorf("%s of %s: %q (listed: %v), want %q; an app that is not listed may do everything", name, app, got, listed, strings.Join(topics, ","))
				}
			}
		}
		everyone := map[string]bool{}
		for app := range publish {
			everyone[app] = true
		}
		for app := range hear {
			everyone[app] = true
		}
		if got, want := unique(c.Scopes), slices.Sorted(maps.Keys(everyone)); !slices.Equal(got, want) {
			t.Errorf("the component is loaded by %v, want %v", got, want)
		}
	}
}

func unique(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

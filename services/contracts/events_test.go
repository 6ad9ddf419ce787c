package contracts_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/contractstest"
)

const eventsHead = `# Events

Generated from the contracts by ` + "`go test ./services/contracts -update`" + `. Tests check that it is up to date and
that each service keeps the contracts. How events are delivered: [architecture](architecture.md).

An event is a [CloudEvent](https://cloudevents.io) 1.0 in JSON: a fact in the past tense, with ids and amounts,
without personal data. Amounts are in minor units, ids are decimal texts. For other languages, the JSON Schema of each
type is in
` + "`services/contracts/<package>/schema`" + `, an example of each in ` + "`services/contracts/<package>/golden`" + `.

What a consumer may rely on:

- **At least once.** The ` + "`id`" + ` is the same in every delivery. A consumer stores it in the transaction of its
  effect, and ignores events whose id it has.
- **In no order.** ` + "`aggregate_version`" + ` grows with every change of the aggregate: a consumer that keeps a copy
  of its state ignores older events.
- **Nothing is lost.** Events that the broker did not deliver are in the producer's feed: ` +
	"`GET /events?after=<position>&after_id=<id of the event there>`" + `,
  open to its consumers. Without ` + "`after`" + ` it begins with the first event that is kept (14 days). 409 ` +
	"`feed_forked`" + `: the producer's database was restored, and the
  position is no longer part of its history; read the feed again without ` + "`after`" + ` and ignore known ids. 410 ` +
	"`feed_gone`" + `: events after the position are no longer kept.
- **Contracts are only extended.** Fields are added, never changed or removed; a reader ignores fields that it does not
  know. A breaking change is a new type (` + "`.v2`" + `).
- **Failures are parked.** An event whose handler fails waits in the consumer's inbox with the error, and is tried
  again at intervals from 1 s to 5 min.

| Type | Topic | From | To | When |
|---|---|---|---|---|
`

// eventsPage returns docs/events.md.
func eventsPage(t *testing.T, docs map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString(eventsHead)
	for _, e := range contractstest.Events() {
		var to []string
		for _, c := range e.Consumers {
			to = append(to, c.Service)
		}
		fmt.Fprintf(&out, "| [`%s`](#%s) | `%s` | %s | %s | %s |\n", e.Type, strings.ReplaceAll(e.Type, ".", ""), e.Topic,
			e.Producer, strings.Join(to, ", "), e.When)
	}
	out.WriteString("\n## By service\n\n| Service | Publishes | Handles |\n|---|---|---|\n")
	for _, s := range contracts.Services {
		if s.UsesEvents() {
			publishes := func(e contracts.Event) bool { return e.Producer == s.Name }
			handles := func(e contracts.Event) bool { return e.HandledBy(s.Name) }
			fmt.Fprintf(&out, "| %s | %s | %s |\n", s.Name, types(publishes), types(handles))
		}
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

// types lists the events for which is returns true.
func types(is func(contracts.Event) bool) string {
	var list []string
	for _, e := range contracts.Events() {
		if is(e) {
			list = append(list, "`"+e.Type+"`")
		}
	}
	return cmp.Or(strings.Join(list, ", "), "–")
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

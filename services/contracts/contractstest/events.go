package contractstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gorm.io/gorm"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/outbox"
)

// Wire returns the event's example as it is sent.
func Wire(e Event) []byte {
	data, err := json.Marshal(e.Sample)
	if err != nil {
		panic(err) // the sample cannot be encoded as JSON
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		panic(err)
	}
	key, _ := fields[e.Key].(string)
	text, err := json.Marshal(outbox.CloudEvent{SpecVersion: "1.0", ID: "019a9f5c-1a00-7c3e-8f1e-5d0c5f6a7b80",
		Source: e.Producer, Type: e.Type, Subject: key,
		Time: noon, DataContentType: "application/json",
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Data: data})
	if err != nil {
		panic(err)
	}
	return text
}

// SchemaFile is the path of the event's schema in contracts.Files.
func (e Event) SchemaFile() string { return e.Package + "/schema/" + e.Type + ".json" }

// Schema compiles a schema of contracts.Files. pointer selects a part of it, such as "#/components/schemas/Order".
func Schema(t testing.TB, file, pointer string) *jsonschema.Schema {
	t.Helper()
	text, err := fs.ReadFile(contracts.Files, file)
	if err != nil {
		t.Fatalf("%v: generate it with `go test ./services/contracts -update`", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mall:///"+file, doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	s, err := c.Compile("mall:///" + file + pointer)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s
}

// Valid checks a JSON text against a schema and a Go type: decoding it into the type and encoding it again neither
// loses a field nor adds one.
func Valid(t testing.TB, what string, text []byte, schema *jsonschema.Schema, like any) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Errorf("%s: %v in %s", what, err, text)
		return
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s does not fit its schema: %v\n%s", what, err, text)
	}
	if err := roundTrip(text, like); err != nil {
		t.Errorf("%s does not fit its Go type: %v\n%s", what, err, text)
	}
}

func roundTrip(text []byte, like any) error {
	into := reflect.New(reflect.TypeOf(like))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into.Interface()); err != nil {
		return err
	}
	again, err := json.Marshal(into.Interface())
	if err != nil {
		return err
	}
	var a, b any
	if err := json.Unmarshal(text, &a); err != nil {
		return err
	}
	if err := json.Unmarshal(again, &b); err != nil {
		return err
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("it comes back as %s", again)
	}
	return nil
}

// CheckEventsAtEnd checks, when the test has ended, all events that it left in a service's outbox.
func CheckEventsAtEnd(t testing.TB, db *gorm.DB, producer string) {
	t.Helper()
	t.Cleanup(func() {
		var payloads []string
		if err := db.Raw("SELECT payload FROM outbox ORDER BY seq").Scan(&payloads).Error; err != nil {
			t.Error(err)
		}
		CheckEvents(t, producer, payloads)
	})
}

// CheckEvents checks events that a service wrote against their schemas. payloads are those of the service's outbox.
func CheckEvents(t testing.TB, producer string, payloads []string) {
	t.Helper()
	schemas := map[string]*jsonschema.Schema{}
	for _, text := range payloads {
		var e outbox.CloudEvent
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Errorf("an event is not a CloudEvent: %v in %s", err, text)
			continue
		}
		known := find(e.Type)
		if known == nil || known.Producer != producer {
			t.Errorf("%s published an event that is not in its catalogue: %s", producer, text)
			continue
		}
		if schemas[e.Type] == nil {
			schemas[e.Type] = Schema(t, known.SchemaFile(), "")
		}
		Valid(t, "event", []byte(text), schemas[e.Type], e)
		if err := roundTrip(e.Data, known.Sample); err != nil {
			t.Errorf("data of %s: %v\n%s", e.Type, err, text)
		}
		if want := fmt.Sprintf(`"%s":"%s"`, known.Key, e.Subject); !strings.Contains(string(e.Data), want) {
			t.Errorf("the subject of %s is not its %s: %s", e.Type, known.Key, text)
		}
	}
}

func find(eventType string) *Event {
	for _, e := range Events() {
		if e.Type == eventType {
			return &e
		}
	}
	return nil
}

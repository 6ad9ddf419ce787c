package contractstest

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"daprmall.dev/services/kit/bulk"
	"daprmall.dev/services/kit/problem"
)

// EventSchema returns the JSON Schema of an event as it is sent. Sidecars may add fields beside data, and newer
// producers may add fields to data: readers ignore fields that they do not know.
func EventSchema(e Event, docs map[string]string) Object {
	s := Schemas{Prefix: "#/$defs/", Docs: docs}
	data := s.Of(reflect.TypeOf(e.Sample))
	return Object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", e.Type},
		{"description", e.When},
		{"type", "object"},
		{"required", []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"}},
		{"properties", Object{
			{"specversion", Object{{"const", "1.0"}}},
			{"id", Object{{"type", "string"}, {"format", "uuid"},
				{"description", "the same in every delivery: an event with an id that was handled is dropped"}}},
			{"source", Object{{"const", e.Producer}}},
			{"type", Object{{"const", e.Type}}},
			{"subject", Object{{"type", "string"}, {"minLength", 1},
				{"description", "data." + e.Key + ": events of one subject keep their order where the broker can"}}},
			{"time", Object{{"type", "string"}, {"format", "date-time"}}},
			{"datacontenttype", Object{{"const", "application/json"}}},
			{"traceparent", Object{{"type", "string"}, {"pattern", "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
				{"description", "of the request that made the event"}}},
			{"data", data},
		}},
		{"$defs", definitions(s)},
	}
}

func definitions(s Schemas) Object {
	var defs Object
	for _, name := range slices.Sorted(maps.Keys(s.Defs)) {
		defs = append(defs, Member{name, s.Defs[name]})
	}
	return defs
}

// OpenAPI returns the OpenAPI 3.1 document of a service's internal routes.
func OpenAPI(service string, docs map[string]string) Object {
	s := Schemas{Prefix: "#/components/schemas/", Docs: docs}
	refusal := s.Of(reflect.TypeFor[problem.Document]())
	byPath := map[string]Object{}
	var order []string
	for _, r := range RoutesOf(service) {
		if byPath[r.Path] == nil {
			order = append(order, r.Path)
		}
		byPath[r.Path] = append(byPath[r.Path], Member{strings.ToLower(r.Method), operation(&s, r, refusal)})
	}
	var paths Object
	for _, p := range order {
		paths = append(paths, Member{p, byPath[p]})
	}
	return Object{
		{"openapi", "3.1.0"},
		{"info", Object{
			{"title", service + ": internal routes for other services"},
			{"version", "1"},
			{"description", "Called through Dapr service invocation: /v1.0/invoke/" + service +
				"/method/… on the caller's own sidecar, which tells the service the caller's app id " +
				"(x-callers). A refusal is a problem document with a stable code. Fields and routes are never removed."},
		}},
		{"servers", []Object{{{"url", "http://127.0.0.1:3500/v1.0/invoke/" + service + "/method"},
			{"description", "the caller's own sidecar"}}}},
		{"paths", paths},
		{"components", Object{
			{"securitySchemes", Object{
				{"user", Object{{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"},
					{"description", "the access token of the user on whose behalf the caller calls"}}},
			}},
			{"schemas", definitions(s)},
		}},
	}
}

func operation(s *Schemas, r Route, refusal Object) Object {
	op := Object{{"operationId", r.Name}, {"summary", r.Says}}
	if r.Callers != nil {
		op = append(op, Member{"x-callers", r.Callers})
	}
	if r.Shared {
		op = append(op, Member{"x-bulk", bulk.Path}) // several calls may come in one invocation of this route
	}
	if r.User {
		security := []Object{{{"user", []string{}}}}
		if r.UserOptional {
			security = append(security, Object{})
		}
		op = append(op, Member{"security", security})
	}
	var params []Object
	for _, p := range r.Query {
		params = append(params, Object{{"name", p.Name}, {"in", "query"}, {"description", p.Says},
			{"schema", Object{{"type", "string"}}}, {"example", p.Example}})
	}
	if params != nil {
		op = append(op, Member{"parameters", params})
	}
	if r.In != nil {
		op = append(op, Member{"requestBody", Object{{"required", true},
			{"content", body("application/json", s.Of(reflect.TypeOf(r.In)))}}})
	}
	answer := Object{{"description", http.StatusText(r.Status)}}
	if r.Out != nil {
		answer = append(answer, Member{"content", body("application/json", s.Of(reflect.TypeOf(r.Out)))})
	}
	codes := append([]string{"caller_not_allowed"}, r.Refusals...)
	if r.In != nil || len(r.Query) > 0 {
		codes = append(codes, "validation_failed")
	}
	return append(op, Member{"responses", Object{
		{strconv.Itoa(r.Status), answer},
		{"default", Object{{"description", fmt.Sprintf("Refused: %s.", strings.Join(codes, ", "))},
			{"content", body(problem.ContentType, refusal)}}},
	}})
}

func body(contentType string, schema Object) Object {
	return Object{{contentType, Object{{"schema", schema}}}}
}

package contractstest

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// Object is a JSON object that keeps the order of its fields.
type Object []Member

// Member is a field of an Object.
type Member struct {
	Name  string
	Value any
}

// MarshalJSON writes the fields in order.
func (o Object) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.Value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// Schemas generates JSON Schemas of Go types. Named types become definitions, which other schemas refer to.
type Schemas struct {
	Prefix string                  // prefix of references: "#/$defs/" or "#/components/schemas/"
	Docs   map[string]string       // comments in the source, by names such as "orderv1.Placed" and "orderv1.Placed.Total"
	Defs   map[string]Object       // definitions, by name
	seen   map[string]reflect.Type // the type that each name stands for
}

// SchemaName names the definition of a value's type. The kit's Page is named FeedPage.
func SchemaName(v any) string { return schemaName(reflect.TypeOf(v)) }

func schemaName(t reflect.Type) string {
	switch t.String() {
	case "outbox.Page", "outbox.Item":
		return "Feed" + t.Name()
	case "problem.Document":
		return "Problem"
	case "problem.Field":
		return "ProblemField"
	case "problem.Limit":
		return "ProblemLimit"
	}
	return t.Name()
}

// Of returns the schema of a type.
func (s *Schemas) Of(t reflect.Type) Object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return Object{{"type", "string"}, {"format", "date-time"}}
	case t == reflect.TypeFor[json.RawMessage]():
		return Object{}
	case t.Kind() == reflect.Pointer:
		return s.Of(t.Elem())
	case t.Kind() == reflect.Slice:
		return Object{{"type", "array"}, {"items", s.Of(t.Elem())}}
	case t.Kind() == reflect.String:
		return Object{{"type", "string"}}
	case t.Kind() == reflect.Bool:
		return Object{{"type", "boolean"}}
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return Object{{"type", "integer"}, {"format", "int64"}}
	case t.Kind() == reflect.Struct:
		return Object{{"$ref", s.Prefix + s.define(t)}}
	}
	panic("a contract has a field of type " + t.String())
}

func (s *Schemas) define(t reflect.Type) string {
	name := schemaName(t)
	if s.seen == nil {
		s.seen, s.Defs = map[string]reflect.Type{}, map[string]Object{}
	}
	if other, ok := s.seen[name]; ok {
		if other != t {
			panic("two types are named " + name)
		}
		return name
	}
	s.seen[name] = t
	var required []string
	var properties Object
	for i := range t.NumField() {
		f := t.Field(i)
		field, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options != "omitempty" {
			required = append(required, field)
		}
		p := s.Of(f.Type)
		// all zero if there is no such order
		if ours := strings.Contains(t.PkgPath(), "/contracts/"); ours && name != "Payable" {
			p = bounded(field, p)
		}
		if doc := s.Docs[t.String()+"."+f.Name]; doc != "" {
			p = append(p, Member{"description", doc})
		}
		properties = append(properties, Member{field, p})
	}
	def := Object{{"type", "object"}}
	if doc := s.Docs[t.String()]; doc != "" {
		def = append(def, Member{"description", doc})
	}
	if len(required) > 0 {
		def = append(def, Member{"required", required})
	}
	s.Defs[name] = append(def, Member{"properties", properties})
	return name
}

// bounded adds the limits that a field's name implies: ids, money, quantities and versions are the same in all
// contracts.
func bounded(field string, p Object) Object {
	id := Member{"pattern", "^[1-9][0-9]{0,18}$"}
	switch {
	case field == "ids":
		return Object{{"type", "array"}, {"items", Object{{"type", "string"}, id}}}
	case field == "id" || strings.HasSuffix(field, "_id"):
		return append(p, id)
	case field == "currency":
		return append(p, Member{"pattern", "^[A-Z]{3}$"})
	case field == "quantity" || field == "aggregate_version" || field == "version":
		return append(p, Member{"minimum", 1})
	case field == "price" || field == "total" || field == "amount" || field == "shipping" || field == "subtotal" ||
		field == "line_total" || field == "available":
		return append(p, Member{"minimum", 0})
	}
	return p
}

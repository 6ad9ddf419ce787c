//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// tolerated are bodies that this route accepts although others do not.
func tolerated(op operation, what string) bool {
	switch what {
	case "an empty object":
		return op.BodyOptional || op.ID == "quote" // then it quotes the cart
	case "empty":
		return op.BodyOptional
	}
	return false
}

// badBody is a body with one mistake.
type badBody struct {
	what     string
	body     any
	statuses []int
	headers  []string
}

var (
	unread  = []int{http.StatusBadRequest}
	refused = []int{http.StatusBadRequest, http.StatusUnprocessableEntity}
)

// malformedBodies are bodies that no route with a body may accept.
func malformedBodies(good map[string]any) []badBody {
	extra := maps.Clone(good)
	extra["surprise"] = 1
	whole, _ := json.Marshal(good)
	return []badBody{
		{"empty", nil, unread, nil},
		{"not JSON", []byte("price=1&name=x"), unread, nil},
		{"truncated JSON", whole[:len(whole)-1], unread, nil},
		{"two objects", append(slices.Clone(whole), whole...), unread, nil},
		{"a list", []byte("[]"), refused, nil},
		{"a text", []byte(`"text"`), refused, nil},
		{"null", []byte("null"), refused, nil},
		{"an empty object", []byte("{}"), refused, nil},
		{"deep JSON", []byte(strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000)), unread, nil},
		{"not UTF-8", append([]byte("{\"surprise\":\"\xff\","), whole[1:]...), unread, nil},
		{"an unknown field", extra, refused, nil},
		{"a form", []byte("a=b"), []int{http.StatusUnsupportedMediaType},
			[]string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"JSON with type text/plain", whole, []int{http.StatusUnsupportedMediaType}, []string{"Content-Type", "text/plain"}},
		{"no content type", whole, []int{http.StatusUnsupportedMediaType}, []string{"Content-Type", ""}},
		{"5 MB", bytes.Repeat([]byte(" "), 5<<20), []int{http.StatusRequestEntityTooLarge}, nil},
		{"one byte too many", append(bytes.Repeat([]byte(" "), 1<<20+1-len(whole)), whole...),
			[]int{http.StatusRequestEntityTooLarge}, nil},
	}
}

// schemaViolations returns bodies that violate a schema in one way each: wrong types, values beyond each bound, missing
// fields.
func schemaViolations(good map[string]any, s schema) []badBody {
	var all []badBody
	with := func(what, field string, value any) {
		b := maps.Clone(good)
		b[field] = value
		all = append(all, badBody{field + " " + what, b, refused, nil})
	}
	for field, v := range s.at("properties") {
		p := asSchema(v)
		if s.requires(field) {
			without := maps.Clone(good)
			delete(without, field)
			all = append(all, badBody{field + " left out", without, refused, nil})
		}
		if types := p.list("type"); slices.Contains(types, any("null")) {
			p = maps.Clone(p)
			p["type"] = types[0]
		} else {
			with("null", field, nil)
		}
		if value, ok := good[field]; ok {
			loud := maps.Clone(good)
			delete(loud, field)
			loud[strings.ToUpper(field)] = value
			all = append(all, badBody{field + " in capitals", loud, refused, nil})
		}
		if choices, ok := p["oneOf"].([]any); ok { // a number, or a text with decimals
			for _, wrong := range []any{"", "x", "-5", "5,00", "1e3", "0.001", "0x10"} {
				with(fmt.Sprintf("= %q", wrong), field, wrong)
			}
			p = asSchema(choices[0])
		} else if p.text("type") == "integer" {
			with("= a text", field, "5")
		}
		switch p.text("type") {
		case "integer":
			for _, wrong := range []any{1.5, true, []any{1}, map[string]any{}, json.Number("1e30"),
				json.Number("99999999999999999999"), json.Number("9223372036854775807"), json.Number("-9223372036854775808")} {
				with(fmt.Sprint("= ", wrong), field, wrong)
			}
			if least, ok := p.int("minimum"); ok {
				with("too small", field, least-1)
			}
			if most, ok := p.int("maximum"); ok {
				with("too large", field, most+1)
			}
			if not, ok := p.at("not").int("const"); ok {
				with("with the one forbidden value", field, not)
			}
		case "string":
			for _, wrong := range []any{5, false, []any{"x"}, map[string]any{"$ne": ""}} {
				with(fmt.Sprint("= ", wrong), field, wrong)
			}
			text, _ := good[field].(string)
			with("with NUL", field, text+"\x00")
			if most, ok := p.int("maxLength"); ok && field != "password" {
				with("too long", field, strings.Repeat("x", most+1))
			}
			if least, ok := p.int("minLength"); ok {
				with("too short", field, strings.Repeat("x", least-1))
			}
			if p.text("pattern") != "" {
				for _, wrong := range []string{"", " ", "x' OR 1=1 --", "../../etc/passwd"} {
					with(fmt.Sprintf("= %q", wrong), field, wrong)
				}
			}
		case "array":
			with("a text", field, "x")
			with("an object", field, map[string]any{})
			if _, ok := p.int("minItems"); ok {
				with("empty", field, []any{})
			}
			first, _ := good[field].([]any)
			if len(first) == 0 {
				break
			}
			if most, ok := p.int("maxItems"); ok {
				with("too many", field, slices.Repeat(first, most+1))
			}
			if _, object := first[0].(map[string]any); object {
				for _, inner := range schemaViolations(first[0].(map[string]any), p.at("items")) {
					with(inner.what, field, []any{inner.body})
				}
				break
			}
			with("with a duplicate", field, slices.Repeat(first, 2))
			with("with an unknown value", field, []any{"emperor"})
			with("with a number", field, []any{1})
		case "object":
			inner, _ := good[field].(map[string]any)
			for _, bad := range schemaViolations(inner, p) {
				with(bad.what, field, bad.body)
			}
		}
	}
	return all
}

// Every route with a body refuses whatever openapi.yaml does not allow, changes nothing and reveals no internals.
func TestBadBodiesChangeNothing(t *testing.T) {
	ops := slices.DeleteFunc(operations(t), func(op operation) bool { return op.Body == nil })
	for _, op := range ops {
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			mine, me := newTargets(t)
			good := mine.body(op)
			if good == nil {
				t.Fatalf("a new route with a body: add a valid one to body()")
			}
			before := mine.stateOf(t, me)
			for _, bad := range append(malformedBodies(good), schemaViolations(good, op.Body)...) {
				if tolerated(op, bad.what) {
					continue
				}
				switch op.ID {
				case "signIn", "refreshSession": // an impossible value may also be answered as a wrong one
					bad.statuses = append(slices.Clone(bad.statuses), http.StatusUnauthorized)
				case "checkOut": // an impossible total may also be answered as a wrong one
					bad.statuses = append(slices.Clone(bad.statuses), http.StatusConflict)
				}
				a := do(t, as(op, me), op.Method, mine.path(op, me), bad.body, append(headers(op), bad.headers...)...)
				if wrong := refusal(a, bad.statuses...); wrong != "" {
					t.Errorf("%s: %s", bad.what, wrong)
				}
			}
			mine.unchanged(t, me, before)
		})
	}
}

package web

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"daprmall.dev/services/kit/problem"
)

const maxDepth = 16

// Decode reads a JSON object strictly. Refused are unknown names, names in another case, a name that is given twice,
// wrong types, a second value, and texts that are no Unicode or hold NUL, which PostgreSQL does not take. A null is a
// wrong type too: a field is sent or it is not, except those fields of the object that are named in nullable. Keys of
// maps are as the client likes them.
func Decode(body []byte, into any, nullable ...string) error {
	switch {
	case bytes.HasPrefix(body, []byte("\ufeff")):
		return problem.New(problem.BadRequest, "bad_json", "The body begins with a byte order mark: send it without one.")
	case !utf8.Valid(body):
		return problem.New(problem.BadRequest, "bad_json", "The body must be UTF-8.")
	case !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")): // null would decode into anything
		return problem.New(problem.BadRequest, "bad_json", "The body must be a JSON object.")
	}
	if err := inspect(body, nullable); err != nil {
		return err
	}
	// Names that are given twice have been found already.
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true), jsontext.AllowDuplicateNames(true))
	if err != nil {
		return decodeProblem(err)
	}
	return nil
}

// inspect refuses what Unmarshal takes: null, NUL, deep nesting.
func inspect(body []byte, nullable []string) error {
	mayHaveNUL := bytes.Contains(body, []byte(`\u0000`))
	for d := jsontext.NewDecoder(bytes.NewBuffer(body)); ; {
		token, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return decodeProblem(err)
		case d.StackDepth() > maxDepth:
			return problem.New(problem.BadRequest, "bad_json", "The body is nested too deeply.")
		case token.Kind() == jsontext.KindNull:
			if d.StackDepth() == 1 && slices.Contains(nullable, d.StackPointer().LastToken()) {
				continue
			}
			return problem.Validation(problem.Field{Field: lastName(d.StackPointer()), Message: "must not be null"})
		case mayHaveNUL && token.Kind() == jsontext.KindString && strings.ContainsRune(token.String(), 0):
			return problem.New(problem.BadRequest, "bad_json", "Texts must not contain NUL.")
		}
	}
}

func decodeProblem(err error) error {
	var wrong *json.SemanticError
	var syntax *jsontext.SyntacticError
	var own *problem.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &wrong):
		return problem.Validation(problem.Field{Field: lastName(wrong.JSONPointer), Message: "is not known"})
	case errors.As(err, &wrong) && wrong.GoType != nil:
		return problem.Validation(problem.Field{Field: path(wrong.JSONPointer),
			Message: "has the wrong type: " + kind(wrong)})
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return problem.Validation(problem.Field{Field: lastName(syntax.JSONPointer), Message: "is given more than once"})
	}
	return problem.Wrap(err, problem.BadRequest, "bad_json", "The body is not valid JSON.")
}

// path names a field with those it lies in, without the places in lists: sub.count.
func path(p jsontext.Pointer) string {
	var names []string
	for token := range p.Tokens() {
		if !isIndex(token) {
			names = append(names, token)
		}
	}
	return strings.Join(names, ".")
}

// lastName is the innermost field of a path.
func lastName(p jsontext.Pointer) string {
	for p != "" && isIndex(p.LastToken()) {
		p = p.Parent()
	}
	return p.LastToken()
}

func isIndex(token string) bool { return strings.Trim(token, "0123456789") == "" }

// kind is what was sent in the place of something else.
func kind(wrong *json.SemanticError) string {
	switch wrong.JSONKind {
	case jsontext.KindString:
		return "string"
	case jsontext.KindNumber:
		if value := string(wrong.JSONValue); value != "" && len(value) < 40 && isNumber(wrong.GoType) {
			return "number " + value
		}
		return "number"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "bool"
	case jsontext.KindBeginObject:
		return "object"
	case jsontext.KindBeginArray:
		return "array"
	}
	return "value"
}

func isNumber(t reflect.Type) bool { return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 }

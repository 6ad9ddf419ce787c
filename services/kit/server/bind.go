package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/problem"
)

const maxDepth = 16

// Body reads the whole request body once and keeps it for later readers (idempotency fingerprints, then Bind).
func Body(c *gin.Context) ([]byte, error) {
	if b, ok := c.Get(bodyKey); ok {
		return b.([]byte), nil
	}
	b, err := read(c, MaxBody)
	if err != nil {
		return nil, err
	}
	c.Set(bodyKey, b)
	return b, nil
}

func read(c *gin.Context, most int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, most))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, problem.New(problem.TooLarge, "body_too_large", "The body is larger than %d bytes.", most)
		}
		return nil, problem.Wrap(err, problem.BadRequest, "bad_request", "The body could not be read.")
	}
	return b, nil
}

const bodyKey = "mall.body"

// Bind reads a JSON object strictly: unknown fields, wrong types, a second value and NUL characters are refused.
func Bind(c *gin.Context, into any) error {
	body, err := Body(c)
	if err != nil {
		return err
	}
	return Decode(body, into)
}

// Decode is Bind for bytes.
func Decode(body []byte, into any) error {
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) { // null would decode into anything
		return problem.New(problem.BadRequest, "bad_json", "The body must be a JSON object.")
	}
	if bytes.Contains(body, []byte(`\u0000`)) || bytes.IndexByte(body, 0) >= 0 {
		return problem.New(problem.BadRequest, "bad_json", "Texts must not contain NUL.")
	}
	if depth(body) > maxDepth {
		return problem.New(problem.BadRequest, "bad_json", "The body is nested too deeply.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return decodeProblem(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return problem.New(problem.BadRequest, "bad_json", "The body must be one JSON object.")
	}
	return nil
}

func decodeProblem(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return problem.Validation(problem.Field{Field: wrong.Field, Message: "has the wrong type: " + wrong.Value})
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok { // encoding/json has no type for it
		return problem.Validation(problem.Field{Field: strings.Trim(name, `"`), Message: "is not known"})
	}
	var own *problem.Error
	if errors.As(err, &own) {
		return own
	}
	return problem.Wrap(err, problem.BadRequest, "bad_json", "The body is not valid JSON.")
}

// depth gives how deeply a JSON text nests, without building it.
func depth(body []byte) int {
	level, deepest, inText, escaped := 0, 0, false, false
	for _, b := range body {
		switch {
		case escaped:
			escaped = false
		case inText:
			escaped, inText = b == '\\', b != '"'
		case b == '"':
			inText = true
		case b == '{' || b == '[':
			level++
			deepest = max(deepest, level)
		case b == '}' || b == ']':
			level--
		}
	}
	return deepest
}

// ID gives a path parameter that must be an id; anything else is a missing object, as a wrong id is.
func ID(c *gin.Context, param, what string) (string, error) {
	id := c.Param(param)
	if !ids.Valid(id) {
		return "", problem.Missing(what)
	}
	return id, nil
}

// OnlyQuery refuses query parameters that a route does not know, as unknown fields are refused in bodies.
func OnlyQuery(c *gin.Context, known ...string) error {
	for name, values := range c.Request.URL.Query() {
		ok := false
		for _, k := range known {
			ok = ok || k == name
		}
		if !ok {
			return problem.Validation(problem.Field{Field: name, Message: "is not known"})
		}
		if len(values) > 1 {
			return problem.Validation(problem.Field{Field: name, Message: "is given more than once"})
		}
		if strings.ContainsRune(values[0], 0) {
			return problem.Validation(problem.Field{Field: name, Message: "must not contain NUL"})
		}
	}
	return nil
}

// ETag formats a version as a strong ETag.
func ETag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

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

// Bind reads a JSON object strictly: unknown fields, wrong types, a second value and texts that are no Unicode or hold NUL are
// refused. A null is a wrong type too: a field is sent or it is not.
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
	if !utf8.Valid(body) { // encoding/json would put U+FFFD where it cannot read, and nobody would be told
		return problem.New(problem.BadRequest, "bad_json", "The body must be UTF-8.")
	}
	look := lookAt(body)
	if look.nul || bytes.IndexByte(body, 0) >= 0 {
		return problem.New(problem.BadRequest, "bad_json", "Texts must not contain NUL.")
	}
	if look.half {
		return problem.New(problem.BadRequest, "bad_json", "Texts must be Unicode; half a surrogate pair is no character.")
	}
	if look.depth > maxDepth {
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
	if look.bad != nil {
		return problem.Validation(*look.bad)
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

// looks are what a JSON text shows without being built.
type looks struct {
	depth int
	nul   bool // a text holds an escaped NUL, which PostgreSQL does not take
	half  bool // a text holds one surrogate of a pair, which encoding/json would replace
	// bad is the first thing that encoding/json takes all the same: "Price" for price, or null for nothing at all.
	bad *problem.Field
}

// lookAt goes over a JSON text once. What it says of one that is not valid means nothing.
func lookAt(body []byte) looks {
	var l looks
	level, from, to, inText, escaped := 0, 0, 0, false, false // body[from:to] is the last text
	second := -1                                              // where the second half of a pair is
	var name []byte
	refuse := func(message string) {
		if l.bad == nil {
			l.bad = &problem.Field{Field: string(name), Message: message}
		}
	}
	for i, b := range body {
		switch {
		case escaped:
			escaped = false
			if b != 'u' || i == second {
				continue
			}
			switch r := hex(body[i+1:]); {
			case r == 0:
				l.nul = true
			case !utf16.IsSurrogate(r):
			case bytes.HasPrefix(body[min(i+5, len(body)):], []byte(`\u`)) && utf16.DecodeRune(r, hex(body[i+7:])) != utf8.RuneError:
				second = i + 6
			default:
				l.half = true
			}
		case inText:
			escaped, inText = b == '\\', b != '"'
			to = i
		case b == '"':
			inText, from = true, i+1
		case b == '{' || b == '[':
			level++
			l.depth = max(l.depth, level)
		case b == '}' || b == ']':
			level--
		case b == ':':
			if name = body[from:to]; !isName(name) {
				refuse("is not known")
			}
		case b == 'n': // no other word has one
			refuse("must not be null")
		}
	}
	return l
}

// hex reads the four digits of an escape; -1 if they are none.
func hex(s []byte) rune {
	if len(s) < 4 {
		return -1
	}
	n, err := strconv.ParseUint(string(s[:4]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// isName says whether a field could be one of ours: all are snake_case.
func isName(s []byte) bool {
	for _, b := range s {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' {
			return false
		}
	}
	return true
}

// ID gives a path parameter that must be an id; anything else is a missing object, as a wrong id is.
func ID(c *gin.Context, param, what string) (string, error) {
	id := c.Param(param)
	if !ids.Valid(id) {
		return "", problem.Missing(what)
	}
	return id, nil
}

// OnlyQuery refuses query parameters that a route does not know, as unknown fields are refused in bodies, and a query that
// cannot be read: net/url drops what it does not understand, and a list without its filter is not what was asked for.
func OnlyQuery(c *gin.Context, known ...string) error {
	sent, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return problem.Wrap(err, problem.BadRequest, "bad_request", "The query cannot be read; %% and ; must be escaped in it.")
	}
	for name, values := range sent {
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
		if !utf8.ValidString(values[0]) {
			return problem.Validation(problem.Field{Field: name, Message: "must be UTF-8"})
		}
	}
	return nil
}

// ETag formats a version as a strong ETag.
func ETag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

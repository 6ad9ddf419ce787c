package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/problem"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 1 << 20

// Body reads the whole request body once and keeps it for later readers (idempotency fingerprints, then Bind).
func Body(c *gin.Context) ([]byte, error) {
	if b, ok := c.Get(bodyKey); ok {
		return b.([]byte), nil
	}
	b, err := Read(c, MaxBody)
	if err != nil {
		return nil, err
	}
	c.Set(bodyKey, b)
	return b, nil
}

// Read reads the request body, of at most maxBytes bytes.
func Read(c *gin.Context, maxBytes int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBytes))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, problem.New(problem.TooLarge, "body_too_large", "The body is larger than %d bytes.", maxBytes)
		}
		return nil, problem.Wrap(err, problem.BadRequest, "bad_request", "The body could not be read.")
	}
	return b, nil
}

const bodyKey = "mall.body"

// Bind reads a JSON object strictly: see Decode.
func Bind(c *gin.Context, into any, nullable ...string) error {
	body, err := Body(c)
	if err != nil {
		return err
	}
	return Decode(body, into, nullable...)
}

// ID returns a path parameter that must be an id; anything else is a missing object, as a wrong id is.
func ID(c *gin.Context, param, what string) (string, error) {
	id := c.Param(param)
	if !ids.Valid(id) {
		return "", problem.NewNotFound(what)
	}
	return id, nil
}

// OnlyQuery refuses query parameters that a route does not know, as unknown fields are refused in bodies, and a query
// that cannot be read: net/url drops what it does not understand, and a list without its filter is not what was asked
// for.
func OnlyQuery(c *gin.Context, known ...string) error {
	sent, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return problem.Wrap(err, problem.BadRequest, "bad_request",
			"The query cannot be read; %% and ; must be escaped in it.")
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

// TagMatches reports whether an If-None-Match names a tag. It compares weakly, as RFC 9110, section 13.1.2, asks.
func TagMatches(ifNoneMatch, tag string) bool {
	for candidate := range strings.SplitSeq(ifNoneMatch, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || tag != "" && strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// User returns the signed-in user of a route behind server.SignedIn.
func User(c *gin.Context) identity.User {
	u, ok := identity.From(c.Request.Context())
	if !ok {
		panic("web: a route that needs a user is not behind SignedIn")
	}
	return u
}

// WholeNumber reads an optional parameter of the query: 0 to 1,000,000,000, and 0 if it is missing or empty.
func WholeNumber(c *gin.Context, name string) (int64, error) {
	text := c.Query(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n > 1_000_000_000 {
		return 0, problem.Validation(problem.Field{Field: name, Message: "must be 0 to 1000000000"})
	}
	return int64(n), nil
}

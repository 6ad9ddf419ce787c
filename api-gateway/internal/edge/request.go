package edge

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// idPattern matches an id on the wire. Any other text names no object and is never put into a path.
var idPattern = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// codePattern matches the code of a country on the wire.
var codePattern = regexp.MustCompile(`^[A-Z]{2}$`)

// servicePattern matches the name of a service.
var servicePattern = regexp.MustCompile(`^[a-z]{1,20}$`)

// eventPattern matches the id of an event.
var eventPattern = regexp.MustCompile(`^[0-9A-Za-z:_-]{1,100}$`)

// picturePattern matches the name of an uploaded picture.
var picturePattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// maxSKU is the longest sku on the wire in bytes; product knows how many characters it may have.
const maxSKU = 400

var parameterPattern = regexp.MustCompile(`\{([a-z_]+)\}`)

// ginPattern is the route's path in Gin's notation: :id for {id}. A sku is all the rest of the path: it may hold
// slashes.
func ginPattern(path string) string {
	return parameterPattern.ReplaceAllString(strings.Replace(path, "{sku}", "*sku", 1), ":$1")
}

// fillIn puts the ids and codes of the request into the route's path template, and a sku, which is any text, in
// base64url. The requested path itself is never forwarded, so it does not matter how Dapr or a service would read "..",
// "%2F" or ";".
func fillIn(path string, c *gin.Context) (string, error) {
	malformed := false
	filled := parameterPattern.ReplaceAllStringFunc(path, func(p string) string {
		name, pattern := strings.Trim(p, "{}"), idPattern
		if name == "sku" {
			sku := strings.TrimPrefix(c.Param(name), "/")
			malformed = malformed || sku == "" || len(sku) > maxSKU
			return base64.RawURLEncoding.EncodeToString([]byte(sku))
		}
		switch name {
		case "code":
			pattern = codePattern
		case "name":
			pattern = picturePattern
		case "service":
			pattern = servicePattern
		case "event":
			pattern = eventPattern
		}
		v := c.Param(name)
		malformed = malformed || !pattern.MatchString(v)
		return v
	})
	if malformed {
		return "", problem.NewNotFound("object")
	}
	return filled, nil
}

// checkQuery refuses a query that would arrive changed: sidecars speak gRPC to each other, which carries UTF-8 only,
// and Dapr drops what follows a #.
func checkQuery(query string) error {
	if !utf8.ValidString(query) || strings.ContainsRune(query, '#') {
		return problem.New(problem.BadRequest, "", "The query cannot be read; it must be UTF-8, and # must be escaped in it.")
	}
	return nil
}

// hasBody reports whether there is a body to read. The body of a GET or HEAD is ignored.
func hasBody(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Body != nil && r.Body != http.NoBody
}

// readBody reads a whole body of up to 1 MiB, or a file. A body that is no file must be JSON.
func readBody(w http.ResponseWriter, r *http.Request, file *File) ([]byte, error) {
	limit := int64(web.MaxBody)
	if file != nil {
		limit = file.MaxBytes
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(file.Upload)); err != nil {
			return nil, fmt.Errorf("set read deadline: %w", err)
		}
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // cheaper than reading the rest
		return nil, errBodyTooLarge(limit)
	}
	var body bytes.Buffer
	if file != nil { // growing step by step would need several times its size
		body.Grow(int(max(r.ContentLength, 0)) + bytes.MinRead)
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var beyond *http.MaxBytesError
	switch {
	case errors.As(err, &beyond):
		return nil, errBodyTooLarge(limit)
	case err != nil:
		w.Header().Set("Connection", "close")
		return nil, problem.Wrap(err, problem.BadRequest, "bad_request", "The body did not arrive whole, or not in time.")
	case body.Len() == 0:
		return nil, nil
	}
	types := []string{"application/json"}
	if file != nil {
		types = file.Types
	}
	if mediaType(r.Header.Get("Content-Type"), types) == "" {
		return nil, mediaTypeError(types)
	}
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(encoding, "identity") {
			return nil, errCompressed
		}
	}
	return body.Bytes(), nil
}

// mediaType returns which of the types a Content-Type is, in UTF-8; "" for none.
func mediaType(contentType string, types []string) string {
	media, params, err := mime.ParseMediaType(contentType)
	charset, other := params["charset"]
	if err != nil || !slices.Contains(types, media) || other && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return media
}

func errBodyTooLarge(limit int64) error {
	return problem.New(problem.TooLarge, "body_too_large", "The body is larger than %d MiB.", limit>>20)
}

// idempotencyKey returns the key to forward, "" for none.
func idempotencyKey(rule KeyRule, h http.Header) (string, error) {
	if rule == KeyNone {
		return "", nil
	}
	key, err := web.IdempotencyKey(h)
	if err == nil && key == "" && rule == KeyRequired {
		err = web.IdempotencyKeyRequired()
	}
	return key, err
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// bearer returns the token of the Authorization header, "" if there is none or the scheme differs.
func bearer(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

package edge

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// idPattern matches an id on the wire. Any other text names no object and is never put into a path.
var idPattern = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// codePattern matches the code of a country on the wire.
var codePattern = regexp.MustCompile(`^[A-Z]{2}$`)

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
		if name == "code" {
			pattern = codePattern
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

// readBody reads a whole body of up to 1 MiB. A body must be JSON.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > web.MaxBody {
		w.Header().Set("Connection", "close") // cheaper than reading the rest
		return nil, errBodyTooLarge()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxBody))
	var beyond *http.MaxBytesError
	switch {
	case errors.As(err, &beyond):
		return nil, errBodyTooLarge()
	case err != nil:
		w.Header().Set("Connection", "close")
		return nil, problem.Wrap(err, problem.BadRequest, "bad_request", "The body did not arrive whole, or not in time.")
	case len(body) == 0:
		return nil, nil
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, errUnsupportedMediaType
	}
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(encoding, "identity") {
			return nil, errCompressed
		}
	}
	return body, nil
}

// isJSON reports whether a Content-Type is JSON in UTF-8.
func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	charset, other := params["charset"]
	return err == nil && media == "application/json" && (!other || strings.EqualFold(charset, "utf-8"))
}

func errBodyTooLarge() error {
	return problem.New(problem.TooLarge, "body_too_large", "The body is larger than 1 MiB.")
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

package edge

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"daprmall.dev/api-gateway/internal/accept"
)

// leastCompressed is the size from which an answer is compressed, in bytes: a smaller one takes one packet anyway.
const leastCompressed = 1400

// coding compresses an answer at the level at which that costs a small part of a hop (docs/performance.md).
type coding struct {
	name     string
	compress func(body []byte) ([]byte, error)
}

// codings are those the gateway offers, the best first.
var codings = []coding{
	{"zstd", compressZstd()},
	{"br", pooled(func() encoder { return brotli.NewWriterLevel(nil, 1) })},
	{"gzip", pooled(func() encoder {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			panic(err) // the level is one of the package
		}
		return w
	})},
}

// compressible are media types of texts.
var compressible = []string{"application/json", "application/problem+json", "application/yaml"}

// holdsSecrets reports whether answers of a route may contain tokens or personal data beside what a client chose: the
// size of the compressed text would tell about them.
func holdsSecrets(route Route) bool { return route.App == "auth" || route.App == "user" }

// compress returns the body in the coding that the client likes best, and sets the headers that describe it. The ETag
// stays: it names the version of the object, which clients send back with If-Match.
func compress(h http.Header, r *http.Request, body []byte) []byte {
	c := negotiate(h, r, len(body))
	if c == nil {
		return body
	}
	smaller, err := c.compress(body)
	if err != nil || len(smaller) >= len(body) {
		return body
	}
	h.Set("Content-Encoding", c.name)
	return smaller
}

// negotiate returns the coding for a body that the headers describe, nil for none, and says what it depends on.
func negotiate(h http.Header, r *http.Request, size int) *coding {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if size < leastCompressed || !slices.Contains(compressible, media) {
		return nil
	}
	h.Add("Vary", "Accept-Encoding")
	return chooseCoding(r.Header.Values("Accept-Encoding"))
}

// chooseCoding returns the coding that a client likes best, nil for none.
func chooseCoding(accepted []string) *coding {
	var names []string
	for _, c := range codings {
		names = append(names, c.name)
	}
	if i := slices.Index(names, accept.Encoding(accepted, names)); i >= 0 {
		return &codings[i]
	}
	return nil
}

type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// pooled compresses with encoders that are used again.
func pooled(open func() encoder) func([]byte) ([]byte, error) {
	pool := sync.Pool{New: func() any { return open() }}
	return func(body []byte) ([]byte, error) {
		out := bytes.NewBuffer(make([]byte, 0, len(body)/4))
		w := pool.Get().(encoder)
		defer pool.Put(w)
		w.Reset(out)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		err := w.Close()
		return out.Bytes(), err
	}
}

func compressZstd() func([]byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10))
	if err != nil {
		panic(err) // the options are valid
	}
	return func(body []byte) ([]byte, error) { return w.EncodeAll(body, make([]byte, 0, len(body)/4)), nil }
}

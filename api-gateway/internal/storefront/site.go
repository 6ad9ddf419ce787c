// Package storefront serves the web shop: its files, and its page for every address that belongs to nobody else.
package storefront

import (
	"fmt"
	"hash/crc32"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"daprmall.dev/api-gateway/internal/accept"
)

// Policy is the Content-Security-Policy of the page: nothing inline and nothing from other hosts.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// index is the page that shows every address of the shop.
const index = "index.html"

// Site is a set of files, in memory.
type Site struct {
	files map[string]file
}

// file is a file as it is, and compressed.
type file struct {
	media, etag string
	raw         []byte
	coded       map[string][]byte // by coding
}

// suffixes are those of compressed files, by coding.
var suffixes = map[string]string{"br": ".br", "gzip": ".gz"}

var codings = []string{"br", "gzip"}

// New reads the files of a built shop.
func New(from fs.FS) (*Site, error) {
	s := &Site{files: map[string]file{}}
	err := fs.WalkDir(from, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			return err
		}
		f := file{media: mediaType(name), coded: map[string][]byte{}}
		if f.raw, err = fs.ReadFile(from, name); err != nil {
			return err
		}
		f.etag = fmt.Sprintf(`"%08x-%x"`, crc32.ChecksumIEEE(f.raw), len(f.raw))
		for coding, suffix := range suffixes {
			if smaller, err := fs.ReadFile(from, name+suffix); err == nil {
				f.coded[coding] = smaller
			}
		}
		s.files[name] = f
		return nil
	})
	if err == nil && s.files[index].raw == nil {
		err = fmt.Errorf("the shop has no %s", index)
	}
	return s, err
}

func mediaType(name string) string {
	switch path.Ext(name) { // not what this machine's tables say
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// Has reports whether there is a file, other than the page, at an address.
func (s *Site) Has(address string) bool {
	name := strings.TrimPrefix(address, "/")
	return name != index && s.files[name].raw != nil
}

// File serves the file at an address that Has. What has the hash of its content in its name never changes.
func (s *Site) File(w http.ResponseWriter, r *http.Request) {
	caching := "public, max-age=3600"
	if strings.HasPrefix(r.URL.Path, "/assets/") {
		caching = "public, max-age=31536000, immutable"
	}
	write(w, r, s.files[strings.TrimPrefix(r.URL.Path, "/")], caching, http.StatusOK)
}

// Page serves the page, with a status that tells crawlers whether the shop has the address. Browsers ask each time
// whether it has changed, so that a new version is seen at once.
func (s *Site) Page(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Content-Security-Policy", Policy)
	write(w, r, s.files[index], "no-cache", status)
}

// Pages are the first segments of the shop's addresses, as in storefront/src/app/routes.tsx.
var Pages = []string{"products", "cart", "checkout", "orders", "account", "sign-in", "sign-up", "reset", "verify",
	"sell", "admin"}

// WantsPage reports whether a request is a browser's for a page, and not a program's for JSON.
func WantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}

func write(w http.ResponseWriter, r *http.Request, f file, caching string, status int) {
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("Cache-Control", caching)
	h.Set("ETag", f.etag)
	body := f.raw
	if len(f.coded) > 0 {
		h.Add("Vary", "Accept-Encoding")
		if coding := accept.Encoding(r.Header.Values("Accept-Encoding"), codings); f.coded[coding] != nil {
			body = f.coded[coding]
			h.Set("Content-Encoding", coding)
			h.Set("ETag", strings.TrimSuffix(f.etag, `"`)+"-"+coding+`"`)
		}
	}
	if status == http.StatusOK && matches(r.Header.Get("If-None-Match"), h.Get("ETag")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has left
	}
}

// matches reports whether If-None-Match has an ETag (RFC 9110, 13.1.2).
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimSpace(part); part == "*" && header == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}

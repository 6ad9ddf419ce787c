package edge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/api-gateway/internal/cache"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// mostShared bounds the answers that are kept, in bytes.
const mostShared = 32 << 20

// Shared keeps answers that are the same for everybody.
type Shared struct {
	*cache.Cache[*sharedAnswer]
	// KeepFor is how long an answer is good; 0: nothing is kept.
	KeepFor func() time.Duration
}

// NewShared makes an empty Shared.
func NewShared(keepFor func() time.Duration) *Shared {
	// A compressed body is at most as long as the body, and few clients need more than one coding.
	size := func(a *sharedAnswer) int { return 2*len(a.body) + 1<<10 }
	return &Shared{cache.New(mostShared, size, time.Now), keepFor}
}

// sharedAnswer is an answer that many requests write, in the codings that clients have asked for.
type sharedAnswer struct {
	answer
	mu    sync.Mutex
	coded map[*coding][]byte
}

// in returns the body in a coding, nil if that would not be smaller.
func (a *sharedAnswer) in(c *coding) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, ok := a.coded[c]
	if !ok {
		if smaller, err := c.compress(a.body); err == nil && len(smaller) < len(a.body) {
			body = smaller
		}
		if a.coded == nil {
			a.coded = map[*coding][]byte{}
		}
		a.coded[c] = body
	}
	return body
}

// write sends the answer, or 304 to a client that has it already.
func (a *sharedAnswer) write(w http.ResponseWriter, r *http.Request) error {
	a.describe(w.Header())
	coding := negotiate(w.Header(), r, len(a.body))
	if a.status == http.StatusOK && web.TagMatches(r.Header.Get("If-None-Match"), a.header.Get("Etag")) {
		w.Header().Del("Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := a.body
	if coding != nil {
		if smaller := a.in(coding); smaller != nil {
			w.Header().Set("Content-Encoding", coding.name)
			body = smaller
		}
	}
	return writeBody(w, r, a.status, body)
}

// serveShared answers with what is kept for everybody, or asks once for all who ask now.
func (g *Gateway) serveShared(c *gin.Context, request call) error {
	r := c.Request
	key := cache.Key{Group: cache.Lists, Name: request.target}
	if strings.Contains(request.route.Path, "{") {
		key.Group = cache.Pages
	}
	if r.URL.RawQuery != "" {
		key.Name += "?" + r.URL.RawQuery
	}
	a, result, err := g.Shared.Get(r.Context(), key, g.Shared.KeepFor(), func() (*sharedAnswer, bool, error) {
		return g.fetchShared(r, request)
	})
	if r.Context().Err() != nil {
		return errors.Join(errClientLeft, r.Context().Err())
	}
	g.Metrics.shared.WithLabelValues(string(result)).Inc()
	var refused refusedError
	switch {
	case errors.As(err, &refused):
		return refused.write(c.Writer, r, request)
	case err != nil:
		return err
	}
	return a.write(c.Writer, r)
}

// refusedError is the answer of a service that could not answer.
type refusedError struct{ answer }

func (refusedError) Error() string { return "the service could not answer" }

// fetchShared asks the service, for everybody: without anything of the one request.
func (g *Gateway) fetchShared(r *http.Request, request call) (*sharedAnswer, bool, error) {
	leave, ok := g.Limits.Admission.Enter()
	if !ok {
		return nil, false, g.refuseFull()
	}
	defer leave()
	everybody := r.Clone(context.WithoutCancel(r.Context()))
	everybody.Header = http.Header{}
	a := g.Proxy.fetch(everybody, request)
	switch {
	case a.err != nil:
		return nil, false, a.err
	case a.stream != nil:
		_ = a.stream.Close()
		return nil, false, problem.New(problem.Internal, "", "The answer is a stream.")
	case a.status >= 500:
		return nil, false, refusedError{a}
	}
	if a.status == http.StatusOK && a.header.Get("Etag") == "" {
		sum := sha256.Sum256(a.body)
		a.header.Set("Etag", `W/"`+hex.EncodeToString(sum[:8])+`"`)
		if a.header.Get("Cache-Control") == "" {
			// A browser may keep it and asks each time. A product's page it does not keep: that has the product's version as
			// its tag, which stays the same when stock changes.
			a.header.Set("Cache-Control", "no-cache")
		}
	}
	return &sharedAnswer{answer: a}, a.status == http.StatusOK, nil
}

// wantsFresh reports whether a request is that of somebody who changes products: they see what they have written, also
// through another replica.
func (g *Gateway) wantsFresh(r *http.Request) bool {
	token := bearer(r.Header)
	if token == "" {
		return false
	}
	user, err := g.Guard.Authenticate(r.Context(), token)
	return err == nil && (slices.Contains(user.Roles, "seller") || slices.Contains(user.Roles, "admin"))
}

// eventsTake is how long product needs to hear of an order, a cancellation or a ban, which reach it by events: usually
// a tenth of a second.
const eventsTake = 300 * time.Millisecond

// forget drops what a write may have changed, so that whoever reads through this replica after its answer sees it.
// Other replicas follow within KeepFor. a is the answer, with an error if there is none. What reaches product by an
// event is dropped again a moment later: a read in between was kept without it.
func (g *Gateway) forget(request call, a answer) {
	switch route := request.route; {
	case strings.HasPrefix(route.Path, "/v1/admin/"):
		g.Shared.Clear()
		time.AfterFunc(eventsTake, g.Shared.Clear)
	case route.Path == "/v1/products/import":
		g.Shared.Clear() // its answer does not name all products
	case route.App == "product":
		g.Shared.DropLists()
		g.Shared.DropPages(strings.TrimSuffix(request.target, "/stock"))
		g.Shared.DropPages(named(a)...)
	case route.App == "checkout", route.App == "order":
		if pages := named(a); len(pages) > 0 {
			g.Shared.DropPages(pages...)
			time.AfterFunc(eventsTake, func() { g.Shared.DropPages(pages...) })
		}
	}
}

// named returns the pages of the products that an answer names: a product, or an order with its lines.
func named(a answer) (pages []string) {
	var names struct {
		ID    string `json:"id"`
		Lines []struct {
			ProductID string `json:"product_id"`
		} `json:"lines"`
	}
	if a.err != nil || a.status >= 300 || json.Unmarshal(a.body, &names) != nil {
		return nil
	}
	const product = "/v1/products/"
	pages = []string{product + names.ID}
	for _, l := range names.Lines {
		pages = append(pages, product+l.ProductID)
	}
	return pages
}

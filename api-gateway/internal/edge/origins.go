package edge

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
)

// Origins are the web pages of other hosts that may call the API from a browser.
type Origins struct {
	allowed    []string
	protection *http.CrossOriginProtection
}

// ParseOrigins reads a comma-separated list of origins ("https://shop.example, http://localhost:5173"). There are no
// patterns: a page of an allowed origin may use the cookie of a session.
func ParseOrigins(s string) (*Origins, error) {
	o := &Origins{protection: http.NewCrossOriginProtection()}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		u, err := url.Parse(part)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Contains(part, "*") ||
			part != strings.ToLower(u.Scheme+"://"+u.Host) {
			return nil, fmt.Errorf("%q is not an origin, such as https://shop.example", part)
		}
		if err := o.protection.AddTrustedOrigin(part); err != nil {
			return nil, err
		}
		o.allowed = append(o.allowed, part)
	}
	return o, nil
}

// What pages of allowed origins may send and read, besides what the Fetch standard allows everybody. A browser keeps
// the answer to its question for two hours, the longest that any keeps it.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsSent    = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Traceparent, " +
		sessionHeader
	corsRead   = "Date, ETag, Idempotent-Replayed, Location, Retry-After, Www-Authenticate"
	corsMaxAge = "7200"
)

// allowOrigins tells browsers which pages may call (CORS, as in the Fetch standard). Other origins get the same answer
// without the headers, which makes their browser hide it.
func (g *Gateway) allowOrigins(c *gin.Context) {
	origins, h, r := g.Origins(), c.Writer.Header(), c.Request
	if len(origins.allowed) == 0 {
		return
	}
	h.Add("Vary", "Origin")
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	if preflight {
		h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	}
	origin := r.Header.Get("Origin")
	if !slices.Contains(origins.allowed, origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	if !preflight {
		h.Set("Access-Control-Expose-Headers", corsRead)
		return
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsSent)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	c.Writer.WriteHeader(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	c.Abort()
}

// checkOrigin refuses a write that a browser sends for a page of an origin that is not allowed. Programs that are no
// browsers send neither of the headers that it reads.
func (o *Origins) checkOrigin(r *http.Request) error {
	if err := o.protection.Check(r); err != nil {
		return problem.Wrap(err, problem.Forbidden, "cross_origin",
			"Pages of this origin may not use the cookie of a session.")
	}
	return nil
}

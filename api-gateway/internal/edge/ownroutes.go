package edge

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"github.com/gin-gonic/gin"
)

// ownRoutes adds the routes that the gateway answers itself.
func (g *Gateway) ownRoutes(e *gin.Engine) {
	show := func(path string, h gin.HandlerFunc) {
		e.GET(path, h)
		e.HEAD(path, h) // net/http drops the body
	}

	// operator: 200 while the process lives.
	show("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })

	// operator: 503 with what is missing until requests can be served.
	show("/readyz", func(c *gin.Context) { web.Ready(c, g.Checks) })

	// anyone: the contract, and a page that shows it.
	contract := func(media string, text []byte) gin.HandlerFunc {
		return func(c *gin.Context) {
			c.Header("Content-Type", media)
			c.Data(http.StatusOK, media, compress(c.Writer.Header(), c.Request, text))
		}
	}
	show("/openapi.yaml", contract("application/yaml", g.OpenAPI))
	show("/openapi.json", contract("application/json; charset=utf-8", g.OpenAPIJSON))
	show("/docs", func(c *gin.Context) { c.Redirect(http.StatusMovedPermanently, "/docs/") })
	show("/docs/*asset", g.docs())

	// anyone: pictures of products.
	show("/pictures/:name", g.picture)

	g.shopRoutes(show)
}

// Content security policies. The documentation page needs its own scripts and styles, some of them inline; neither
// policy allows anything from other hosts.
const (
	apiPolicy  = "default-src 'none'; frame-ancestors 'none'"
	docsPolicy = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src " +
		"'self' data:; frame-ancestors 'none'"
)

// setSecurityHeaders is for every answer.
func setSecurityHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", apiPolicy)
	if strings.HasPrefix(c.Request.URL.Path, "/v1/") {
		h.Set("Cache-Control", "no-store") // a service's own Cache-Control replaces it
	}
}

// picture answers a picture of the directory that this gateway was given. Browsers may keep it for a day.
func (g *Gateway) picture(c *gin.Context) {
	name := c.Param("name")
	if g.Pictures == nil || path.Ext(name) != ".svg" {
		g.refuse(c, problem.NewNotFound("picture"))
		return
	}
	drawing, err := fs.ReadFile(g.Pictures, name)
	if err != nil {
		g.refuse(c, problem.NewNotFound("picture"))
		return
	}
	c.Header("Cache-Control", "public, max-age=86400")
	c.Header("ETag", fmt.Sprintf(`"%x"`, crc32.ChecksumIEEE(drawing)))
	c.Header("Content-Type", "image/svg+xml")
	// Nobody needs a range of so small a file, and net/http refuses a bad one in plain text.
	c.Request.Header.Del("Range")
	http.ServeContent(c.Writer, c.Request, name, time.Time{}, bytes.NewReader(drawing)) // handles If-None-Match
}

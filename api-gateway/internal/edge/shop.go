package edge

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"daprmall.dev/api-gateway/internal/storefront"
	"daprmall.dev/services/kit/problem"
)

// shopRoutes are for browsers: the web shop and its files. Programs, which do not accept HTML, get JSON.
func (g *Gateway) shopRoutes(show func(path string, h gin.HandlerFunc)) {
	// anyone: the shop's first page; for programs, links to the documentation.
	show("/", func(c *gin.Context) {
		c.Header("Vary", "Accept")
		if storefront.WantsPage(c.Request) {
			g.Shop.Page(c.Writer, c.Request, http.StatusOK)
			return
		}
		c.JSON(http.StatusOK, gin.H{"name": "mall", "docs": "/docs/", "openapi": "/openapi.yaml"})
	})

	// anyone: what the shop reads first: where the API is. "": here. A copy of the shop on another host names it.
	show("/config.json", func(c *gin.Context) {
		c.Header("Cache-Control", "no-cache")
		c.JSON(http.StatusOK, gin.H{"api": ""})
	})

	// anyone: the shop's files, and its pages.
	for _, pattern := range []string{"/assets/*file", "/favicon.svg", "/robots.txt"} {
		show(pattern, g.shopFile)
	}
	for _, page := range storefront.Pages {
		show("/"+page, g.shopPage)
		show("/"+page+"/*rest", g.shopPage)
	}
}

func (g *Gateway) shopFile(c *gin.Context) {
	if !g.Shop.Has(c.Request.URL.Path) {
		g.refuse(c, problem.NewNotFound("file"))
		return
	}
	g.Shop.File(c.Writer, c.Request)
}

func (g *Gateway) shopPage(c *gin.Context) {
	if !storefront.WantsPage(c.Request) {
		g.refuse(c, problem.NewNotFound("address"))
		return
	}
	g.Shop.Page(c.Writer, c.Request, http.StatusOK)
}

// notForAnyone answers addresses that nothing has: browsers with the shop's page, which says so.
func (g *Gateway) notForAnyone(c *gin.Context) {
	path := c.Request.URL.Path
	if storefront.WantsPage(c.Request) && !strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/internal/") {
		g.Shop.Page(c.Writer, c.Request, http.StatusNotFound)
		return
	}
	g.refuse(c, problem.NewNotFound("address"))
}

// Package profiling serves Go's profiles over HTTP.
package profiling

import (
	"net/http/pprof"

	"github.com/gin-gonic/gin"
)

// Mount adds the profiles of the process to a group of routes; who may ask is the group's business.
func Mount(g *gin.RouterGroup) {
	g.GET("/profile", gin.WrapF(pprof.Profile))
	for _, name := range []string{"heap", "goroutine", "allocs"} {
		g.GET("/"+name, gin.WrapH(pprof.Handler(name)))
	}
}

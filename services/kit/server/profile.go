package server

import (
	"net/http/pprof"

	"github.com/gin-gonic/gin"
)

// profiles serves Go's profiles to whoever has the app's API token: an operator on the same machine. The sidecar forwards no
// peer here, because a peer's call carries a caller id.
func (s *Server) profiles() {
	g := s.Group("/debug/pprof", s.notFromPeer)
	g.GET("/profile", gin.WrapF(pprof.Profile))
	g.GET("/heap", gin.WrapH(pprof.Handler("heap")))
	g.GET("/goroutine", gin.WrapH(pprof.Handler("goroutine")))
	g.GET("/allocs", gin.WrapH(pprof.Handler("allocs")))
}

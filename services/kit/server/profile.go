package server

import (
	"crypto/subtle"
	"net/http/pprof"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
)

// profiles serves Go's profiles to whoever has both tokens of the app: an operator on the same machine. The sidecar adds the
// app's own to every call, a peer's too, and can be made to leave out whose call it is; what it takes from its app no peer knows.
func (s *Server) profiles() {
	g := s.Group("/debug/pprof", s.OnlyOperator)
	g.GET("/profile", gin.WrapF(pprof.Profile))
	g.GET("/heap", gin.WrapH(pprof.Handler("heap")))
	g.GET("/goroutine", gin.WrapH(pprof.Handler("goroutine")))
	g.GET("/allocs", gin.WrapH(pprof.Handler("allocs")))
}

// OnlyOperator admits only who has both tokens of the app.
func (s *Server) OnlyOperator(c *gin.Context) {
	if s.env.DaprAPIToken == "" || subtle.ConstantTimeCompare([]byte(c.GetHeader("Authorization")), []byte("Bearer "+s.env.DaprAPIToken)) != 1 {
		c.Abort()
		fail(c, problem.New(problem.Forbidden, "caller_not_allowed", "This is for those who run the mall."))
	}
}

package server

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/bulk"
	"daprmall.dev/services/kit/web"
)

// InBulk lets these callers send several calls of POST routes in one invocation (package bulk). Each call passes all
// checks of its route, as if it had come alone.
func (s *Server) InBulk(callers gin.HandlerFunc, paths ...string) {
	allowed := func(method, path string) bool { return method == http.MethodPost && slices.Contains(paths, path) }
	s.POST(bulk.Path, callers, Handle(func(c *gin.Context) error {
		body, err := web.Read(c, bulk.MaxInvocation)
		if err != nil {
			return err
		}
		calls, err := bulk.Read(c.Request, body)
		if err != nil {
			return err
		}
		bulk.Handle(s, c.Writer, calls, allowed)
		return nil
	}))
}

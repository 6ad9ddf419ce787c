package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/web"
)

// ServeSettings adds the route on which admins see the settings that are in force here.
func (s *Server) ServeSettings(live *config.Live) {
	// admin: the settings in force. Operators change them (`config set`).
	s.GET("/v1/admin/settings/"+s.env.AppID, Callers("api-gateway"), s.SignedIn, OnlyAdmin,
		Handle(func(c *gin.Context) error {
			if err := web.OnlyQuery(c); err != nil {
				return err
			}
			c.JSON(http.StatusOK, page.New(live.States(), ""))
			return nil
		}))
}

package edge

import (
	_ "embed"
	"html/template"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"daprmall.dev/services/kit/problem"
)

// docsHead makes Swagger UI readable on a phone; docsSignIn adds a form that fills in the access token.
var (
	//go:embed docs/head.html
	docsHead string
	//go:embed docs/signin.html
	docsSignIn string
)

// docs serves the page that shows the contract.
func (g *Gateway) docs() gin.HandlerFunc {
	ui := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "Mall", SwaggerJSON: "/openapi.json", BasePath: "/docs/",
		SettingsUI:  map[string]string{"validatorUrl": "null"}, // the default asks a foreign host
		AppendHead:  template.HTML(docsHead),                   //nolint:gosec // our own file
		PrependHTML: template.HTML(docsSignIn),                 //nolint:gosec // our own file
	})
	return func(c *gin.Context) {
		c.Header("Content-Security-Policy", docsPolicy)
		w := &served{ResponseWriter: c.Writer}
		if ui.ServeHTTP(w, c.Request); w.missing {
			c.Writer.Header().Del("Content-Type")
			g.refuse(c, problem.NewNotFound("page"))
		}
	}
}

// served suppresses a file server's 404: it is plain text.
type served struct {
	gin.ResponseWriter
	missing bool
}

func (s *served) WriteHeader(status int) {
	if s.missing = status == http.StatusNotFound; !s.missing {
		s.ResponseWriter.WriteHeader(status)
	}
}

func (s *served) Write(b []byte) (int, error) {
	if s.missing {
		return len(b), nil
	}
	return s.ResponseWriter.Write(b)
}

package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/checkout/internal/countries"
	"daprmall.dev/services/kit/problem"
)

type countryView struct {
	Code   string      `json:"code"`
	Fields []fieldView `json:"fields"`
}

type fieldView struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Label    string `json:"label"`
	Pattern  string `json:"pattern,omitempty"`
	Example  string `json:"example,omitempty"`
}

// showCountry says what an address in a country needs, for forms.
func showCountry(c *gin.Context) error {
	country, ok := countries.Find(c.Param("code"))
	if !ok {
		return problem.NewNotFound("country")
	}
	view := countryView{Code: country.Code}
	for _, f := range country.Fields {
		view.Fields = append(view.Fields, fieldView(f))
	}
	c.Header("Cache-Control", "public, max-age=86400")
	c.JSON(http.StatusOK, view)
	return nil
}

package api

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/catalog"
)

// skuParam reads the sku of a path. The gateway sends it in base64url: a sku may hold any character, and sidecars
// change some, such as an encoded slash.
func skuParam(c *gin.Context) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(c.Param("sku"))
	if err != nil {
		return "", catalog.Missing()
	}
	return strings.TrimSpace(string(raw)), nil
}

func (h handler) getBySKU(c *gin.Context) error {
	sku, err := skuParam(c)
	if err != nil {
		return err
	}
	v, err := h.catalog.GetBySKU(c.Request.Context(), actor(c), sku)
	if err != nil {
		return err
	}
	c.Header("ETag", web.ETag(v.Version))
	c.JSON(http.StatusOK, body(v))
	return nil
}

func (h handler) putBySKU(c *gin.Context) error {
	sku, err := skuParam(c)
	if err != nil {
		return err
	}
	var in newProduct
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if in.SKU != "" && in.SKU != sku {
		return problem.Validation(problem.Field{Field: "sku", Message: "must be the one of the path, or left out"})
	}
	in.SKU = sku
	params, err := in.params(false)
	if err != nil {
		return err
	}
	put := catalog.Put{Params: params}
	if match := c.GetHeader("If-Match"); match != "" {
		version := versionOf(match)
		put.Version = &version
	}
	v, created, err := h.catalog.PutBySKU(c.Request.Context(), actor(c), put)
	if err != nil {
		return err
	}
	c.Header("ETag", web.ETag(v.Version))
	status := http.StatusOK
	if created {
		c.Header("Location", "/v1/products/"+v.ID)
		status = http.StatusCreated
	}
	c.JSON(status, body(v))
	return nil
}

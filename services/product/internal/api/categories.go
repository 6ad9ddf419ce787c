package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/web"
)

// categoryBody is a category as the REST contract shows it.
type categoryBody struct {
	Path     string `json:"path"`
	Name     string `json:"name"`
	Products int64  `json:"products"`
}

// categoryToken is a position in the list of categories.
type categoryToken struct {
	After string `json:"c"`
}

func (h handler) categories(c *gin.Context) error {
	if err := web.OnlyQuery(c, "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	after, err := afterCategory(c)
	if err != nil {
		return err
	}
	found, err := h.catalog.Categories(c.Request.Context(), after, size+1)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > size {
		found = found[:size]
		raw, err := json.Marshal(categoryToken{found[size-1].Key})
		if err != nil {
			return fmt.Errorf("write page token: %w", err)
		}
		next = base64.RawURLEncoding.EncodeToString(raw)
	}
	items := make([]categoryBody, len(found))
	for i, f := range found {
		items[i] = categoryBody{f.Path, f.Name(), f.Products}
	}
	c.JSON(http.StatusOK, page.New(items, next))
	return nil
}

// afterCategory reads the page_token: the key of the last category of the page before, "" for the first page.
func afterCategory(c *gin.Context) (string, error) {
	token, given := c.GetQuery("page_token")
	if !given {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	var t categoryToken
	// line breaks in it would be passed over
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != token || json.Unmarshal(raw, &t) != nil ||
		!strings.HasSuffix(t.After, "/") {
		return "", page.BadToken()
	}
	return t.After, nil
}

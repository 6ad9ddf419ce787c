// Package page is the paging of list routes: page_size, page_token and the answer that names the next page.
package page

import (
	"encoding/base64"
	"strconv"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/problem"
)

// Page is the answer of a list route.
type Page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next_page_token"`
}

// New makes a page; next "" means that it is the last one.
func New[T any](items []T, next string) Page[T] {
	if items == nil {
		items = []T{}
	}
	p := Page[T]{Items: items}
	if next != "" {
		p.Next = &next
	}
	return p
}

// BadToken refuses a page_token that was not made by this route for this query.
func BadToken() error {
	return problem.Validation(problem.Field{Field: "page_token", Message: "was not made by this list"})
}

// Size reads page_size: 1–100, default 20.
func Size(c *gin.Context) (int, error) {
	raw, given := c.GetQuery("page_size")
	if !given {
		return 20, nil
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < 1 || n > 100 {
		return 0, problem.Validation(problem.Field{Field: "page_size", Message: "must be a whole number from 1 to 100"})
	}
	return n, nil
}

// After reads the page_token of a list that is ordered by id: the id of the last item of the page before, "" for the
// first page.
func After(c *gin.Context) (string, error) {
	token, given := c.GetQuery("page_token")
	if !given {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	// line breaks in it would be passed over
	if err != nil || !ids.Valid(string(raw)) || base64.RawURLEncoding.EncodeToString(raw) != token {
		return "", BadToken()
	}
	return string(raw), nil
}

// ByID shows what was found when one item more than a page was asked for: if it is there, there is a next page.
func ByID[T, V any](found []T, size int, id func(T) string, view func(T) V) Page[V] {
	next := ""
	if len(found) > size {
		found = found[:size]
		next = base64.RawURLEncoding.EncodeToString([]byte(id(found[size-1])))
	}
	items := make([]V, len(found))
	for i, f := range found {
		items[i] = view(f)
	}
	return New(items, next)
}

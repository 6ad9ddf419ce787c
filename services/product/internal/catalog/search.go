package catalog

import (
	"strings"
	"unicode/utf8"

	"daprmall.dev/services/kit/problem"
)

// Sort is an order of a product list.
type Sort string

// The orders a list can have. Relevance without words is Newest.
const (
	Relevance Sort = "relevance"
	PriceUp   Sort = "price"
	PriceDown Sort = "-price"
	Newest    Sort = "newest"
)

// Query is a shopper's search. Empty strings and nil are no filter.
type Query struct {
	Words    string
	Category string
	MinPrice *int64
	MaxPrice *int64
	Sort     Sort
	PageSize int
	After    *Cursor
}

// Cursor is the last row of the page before: pages stay stable while products come and go.
type Cursor struct {
	Rank  float64 // with Relevance
	Price int64   // with PriceUp and PriceDown
	ID    string
}

// TotalCap is the largest total that is counted.
const TotalCap = 1000

// Page is a part of a list. Next is nil on the last one.
type Page struct {
	Items  []View
	Next   *Cursor
	Total  int
	Capped bool
}

// Normal returns the query with its defaults, or what is wrong field by field.
func (q Query) Normal() (Query, error) {
	var bad []problem.Field
	q.Words, q.Category = strings.TrimSpace(q.Words), categoryPath(q.Category)
	if utf8.RuneCountInString(q.Words) > 200 || !utf8.ValidString(q.Words) {
		bad = append(bad, problem.Field{Field: "q", Message: "must be text of at most 200 characters"})
	}
	bad = append(bad, checkCategory(q.Category)...)
	if strings.ContainsRune(q.Words, 0) || strings.ContainsRune(q.Category, 0) {
		bad = append(bad, problem.Field{Field: "q", Message: "must be valid text"})
	}
	for field, p := range map[string]*int64{"min_price": q.MinPrice, "max_price": q.MaxPrice} {
		if p != nil && *p < 0 {
			bad = append(bad, problem.Field{Field: field, Message: "must not be negative"})
		}
	}
	if q.MinPrice != nil && q.MaxPrice != nil && *q.MinPrice > *q.MaxPrice {
		bad = append(bad, problem.Field{Field: "min_price", Message: "must not be above max_price"})
	}
	switch q.Sort {
	case PriceUp, PriceDown, Newest:
	case "", Relevance:
		q.Sort = Relevance
		if q.Words == "" {
			q.Sort = Newest
		}
	default:
		bad = append(bad, problem.Field{Field: "sort", Message: "must be relevance, price, -price or newest"})
	}
	if q.PageSize < 1 || q.PageSize > 100 {
		bad = append(bad, problem.Field{Field: "page_size", Message: "must be 1 to 100"})
	}
	if len(bad) > 0 {
		return Query{}, problem.Validation(bad...)
	}
	return q, nil
}

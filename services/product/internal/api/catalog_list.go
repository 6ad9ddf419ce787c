package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/catalog"
)

// listBody is a page of products; it also says how many there are, up to 1,000.
type listBody struct {
	page.Page[productBody]
	Total  int  `json:"total"`
	Capped bool `json:"total_capped,omitempty"`
}

func (h handler) list(c *gin.Context) error {
	q, err := h.query(c)
	if err != nil {
		return err
	}
	found, err := h.catalog.Search(c.Request.Context(), q)
	if err != nil {
		return err
	}
	items := make([]productBody, len(found.Items))
	for i, v := range found.Items {
		items[i] = short(v)
	}
	next := ""
	if found.Next != nil {
		if next, err = encode(*found.Next, q); err != nil {
			return err
		}
	}
	c.JSON(http.StatusOK, listBody{Page: page.New(items, next), Total: found.Total, Capped: found.Capped})
	return nil
}

// adminBody is a product as admins and its seller see it.
type adminBody struct {
	productBody
	State string `json:"state"`
}

func adminBodyOf(v catalog.View) adminBody {
	state := "on_sale"
	switch {
	case v.Deleted:
		state = "removed"
	case v.Closed:
		state = "seller_closed"
	}
	return adminBody{short(v), state}
}

func (h handler) adminList(c *gin.Context) error {
	if !actor(c).Admin {
		return errNotAdmin
	}
	if err := web.OnlyQuery(c, "seller_id", "sku", "page_size", "page_token"); err != nil {
		return err
	}
	sellerID, given := c.GetQuery("seller_id")
	if given && !ids.Valid(sellerID) {
		return problem.Validation(problem.Field{Field: "seller_id", Message: "is not an id"})
	}
	sku, given := c.GetQuery("sku")
	if given && (sku == "" || utf8.RuneCountInString(sku) > 100) {
		return problem.Validation(problem.Field{Field: "sku", Message: "must have 1 to 100 characters"})
	}
	if sku != "" && sellerID == "" {
		return problem.Validation(problem.Field{Field: "sku", Message: "needs a seller_id"})
	}
	return h.writeList(c, catalog.ListFilter{SellerID: sellerID, SKU: sku})
}

func (h handler) ownList(c *gin.Context) error {
	if err := web.OnlyQuery(c, "page_size", "page_token"); err != nil {
		return err
	}
	return h.writeList(c, catalog.ListFilter{SellerID: actor(c).UserID, Kept: true})
}

// writeList writes the page of a list that the query asks for.
func (h handler) writeList(c *gin.Context, f catalog.ListFilter) error {
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	if f.After, err = page.After(c); err != nil {
		return err
	}
	f.Limit = size + 1
	found, err := h.catalog.List(c.Request.Context(), f)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, page.ByID(found, size, func(v catalog.View) string { return v.ID }, adminBodyOf))
	return nil
}

// short is a product as lists show it: with the beginning of its description and its main picture.
func short(v catalog.View) productBody {
	b := body(v)
	b.Description, b.Pictures = excerpt(v.Description), b.Pictures[:min(1, len(b.Pictures))]
	return b
}

// maxExcerpt is how much of a description a list shows, in characters. A hundred whole ones would be megabytes.
const maxExcerpt = 300

// excerpt shortens a text at the end of a word, and says so with an ellipsis.
func excerpt(text string) string {
	if utf8.RuneCountInString(text) <= maxExcerpt {
		return text
	}
	short := string([]rune(text)[:maxExcerpt-1])
	if at := strings.LastIndexFunc(short, unicode.IsSpace); at > len(short)*2/3 {
		short = short[:at]
	}
	return strings.TrimRightFunc(short, unicode.IsSpace) + "…"
}

func (h handler) query(c *gin.Context) (catalog.Query, error) {
	if err := web.OnlyQuery(c, "q", "category", "min_price", "max_price", "sort", "page_size", "page_token"); err != nil {
		return catalog.Query{}, err
	}
	size, err := page.Size(c)
	if err != nil {
		return catalog.Query{}, err
	}
	q := catalog.Query{
		Words:    c.Query("q"),
		Category: c.Query("category"),
		Sort:     catalog.Sort(c.Query("sort")),
		PageSize: size,
	}
	if sort, given := c.GetQuery("sort"); given && sort == "" {
		return catalog.Query{}, problem.Validation(problem.Field{Field: "sort", Message: "must not be empty"})
	}
	if q.MinPrice, err = priceParam(c, "min_price", h.catalog.Currency()); err != nil {
		return catalog.Query{}, err
	}
	if q.MaxPrice, err = priceParam(c, "max_price", h.catalog.Currency()); err != nil {
		return catalog.Query{}, err
	}
	if q, err = q.Normal(); err != nil {
		return catalog.Query{}, err
	}
	if raw, ok := c.GetQuery("page_token"); ok {
		if q.After, err = decode(raw, q); err != nil {
			return catalog.Query{}, err
		}
	}
	return q, nil
}

// token is a position in one list. It is bound to the query: in another list the same position would be wrong. Nothing
// in it is secret or trusted.
type token struct {
	Query string  `json:"q"`
	Rank  float64 `json:"r,omitempty"`
	Price int64   `json:"p,omitempty"`
	ID    string  `json:"i"`
}

func encode(at catalog.Cursor, q catalog.Query) (string, error) {
	raw, err := json.Marshal(token{Query: fingerprint(q), Rank: at.Rank, Price: at.Price, ID: at.ID})
	if err != nil {
		return "", fmt.Errorf("write page token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

func decode(raw string, q catalog.Query) (*catalog.Cursor, error) {
	text, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil || base64.RawURLEncoding.EncodeToString(text) != raw { // line breaks in it would be passed over
		return nil, page.BadToken()
	}
	var t token
	if err := json.Unmarshal(text, &t); err != nil || t.Query != fingerprint(q) || !ids.Valid(t.ID) {
		return nil, page.BadToken()
	}
	return &catalog.Cursor{Rank: t.Rank, Price: t.Price, ID: t.ID}, nil
}

// fingerprint covers what decides which products a list has, and their order; the page size may change on the way.
func fingerprint(q catalog.Query) string {
	q.PageSize, q.After = 0, nil
	raw, err := json.Marshal(q)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/productv1"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// productBody is a product as the REST contract shows it.
type productBody struct {
	ID          string            `json:"id"`
	SellerID    string            `json:"seller_id"`
	SKU         string            `json:"sku,omitempty"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Category    string            `json:"category"`
	ImageURL    string            `json:"image_url"`
	Pictures    []catalog.Picture `json:"pictures"` // in lists only the first
	Price       int64             `json:"price"`
	Currency    string            `json:"currency"`
	Available   *int64            `json:"available"` // null: not tracked
	Tracked     bool              `json:"stock_tracked"`
	MaxPerOrder int64             `json:"max_per_order,omitempty"`
	Version     int64             `json:"version"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
}

func body(v catalog.View) productBody {
	return productBody{
		ID: v.ID, SellerID: v.SellerID, SKU: v.SKU, Name: v.Name, Description: v.Description, Category: v.Category,
		ImageURL: v.ImageURL(), Pictures: append([]catalog.Picture{}, v.Pictures...), Price: v.Price.Amount,
		Currency: v.Price.Currency, Available: left(v), Tracked: !v.Untracked,
		MaxPerOrder: v.MaxPerOrder, Version: v.Version, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}

// left is how many units may be sold; nil: as many as are ordered.
func left(v catalog.View) *int64 {
	if v.Untracked {
		return nil
	}
	return &v.Available
}

func (h handler) get(c *gin.Context) error {
	id, err := web.ID(c, "id", "product")
	if err != nil {
		return err
	}
	v, err := h.catalog.Get(c.Request.Context(), id)
	if err != nil {
		return err
	}
	tag := web.ETag(v.Version)
	c.Header("ETag", tag)
	if web.TagMatches(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	c.JSON(http.StatusOK, body(v))
	return nil
}

// newProduct is a whole product as a seller sends it.
type newProduct struct {
	SKU         string             `json:"sku"`
	Name        *string            `json:"name"`
	Description *string            `json:"description"`
	Category    string             `json:"category"`
	ImageURL    string             `json:"image_url"`
	Pictures    *[]catalog.Picture `json:"pictures"`
	Price       *money.Sent        `json:"price"`
	MaxPerOrder *int64             `json:"max_per_order"`
	Tracked     *bool              `json:"stock_tracked"`
	Stock       *int64             `json:"stock"`
}

func (in newProduct) params(needsStock bool) (catalog.CreateParams, error) {
	err := required(map[string]bool{"name": in.Name != nil, "description": in.Description != nil,
		"price": in.Price != nil, "stock": in.Stock != nil || !needsStock || in.Tracked != nil && !*in.Tracked})
	if err != nil {
		return catalog.CreateParams{}, err
	}
	amount, text, err := readPrice(in.Price)
	if err != nil {
		return catalog.CreateParams{}, err
	}
	d := catalog.CreateParams{SKU: in.SKU, Name: *in.Name, Description: *in.Description, Category: in.Category,
		ImageURL: encodedImage(in.ImageURL), Pictures: encodedPictures(in.Pictures), Price: *amount,
		PriceText: text, MaxPerOrder: in.MaxPerOrder, Tracked: in.Tracked}
	if in.Stock != nil {
		d.Stock = *in.Stock
	}
	return d, nil
}

func (h handler) create(c *gin.Context) error {
	key, err := server.Keyed(c, h.keys)
	if err != nil {
		return err
	}
	var in newProduct
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	params, err := in.params(true)
	if err != nil {
		return err
	}
	answer, err := h.catalog.CreateOnce(c.Request.Context(), key, actor(c), params, created)
	return server.WriteCreated(c, answer, err)
}

func created(v catalog.View) (keyed.Answer, error) {
	a, err := keyed.JSON(http.StatusCreated, body(v))
	a.ETag = web.ETag(v.Version)
	return a, err
}

func (h handler) change(c *gin.Context) error {
	id, err := web.ID(c, "id", "product")
	if err != nil {
		return err
	}
	match := c.GetHeader("If-Match")
	if match == "" {
		return problem.New(problem.PreconditionRequired, "", "Send If-Match with the ETag of the product you read.")
	}
	version := versionOf(match)
	var in struct {
		SKU         *string            `json:"sku"`
		Name        *string            `json:"name"`
		Description *string            `json:"description"`
		Category    *string            `json:"category"`
		ImageURL    *string            `json:"image_url"`
		Pictures    *[]catalog.Picture `json:"pictures"`
		Price       *money.Sent        `json:"price"`
		MaxPerOrder maximum            `json:"max_per_order"`
		Tracked     *bool              `json:"stock_tracked"`
	}
	if err := web.Bind(c, &in, "max_per_order"); err != nil {
		return err
	}
	amount, text, err := readPrice(in.Price)
	if err != nil {
		return err
	}
	if in.ImageURL != nil {
		*in.ImageURL = encodedImage(*in.ImageURL)
	}
	v, err := h.catalog.Change(c.Request.Context(), id, actor(c), version, catalog.Change{SKU: in.SKU,
		Name: in.Name, Description: in.Description, Category: in.Category, ImageURL: in.ImageURL,
		Pictures: encodedPictures(in.Pictures), Price: amount, PriceText: text, MaxPerOrder: in.MaxPerOrder.change,
		Tracked: in.Tracked})
	if err != nil {
		return err
	}
	c.Header("ETag", web.ETag(v.Version))
	c.JSON(http.StatusOK, body(v))
	return nil
}

// versionOf is the version that an If-Match names. A text that is not one of our tags cannot match: no product has
// version 0.
func versionOf(match string) int64 {
	version, err := strconv.ParseInt(strings.Trim(match, `"`), 10, 64)
	if err != nil || web.ETag(version) != match {
		return 0
	}
	return version
}

func (h handler) remove(c *gin.Context) error {
	id, err := web.ID(c, "id", "product")
	if err != nil {
		return err
	}
	if err := h.catalog.Remove(c.Request.Context(), id, actor(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) products(c *gin.Context) error {
	var in productv1.GetRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if len(in.IDs) > maxLines {
		return problem.Validation(problem.Field{Field: "ids", Message: "must have at most 200 entries"})
	}
	offers, err := h.catalog.Offers(c.Request.Context(), in.IDs)
	if err != nil {
		return err
	}
	out := productv1.GetAnswer{Products: []productv1.Product{}}
	for _, v := range offers {
		if !v.OnSale {
			continue
		}
		available := v.Available
		if v.Untracked {
			available = inventory.MaxQuantity
		}
		out.Products = append(out.Products, productv1.Product{ID: v.ID, SellerID: v.SellerID, Name: v.Name,
			Price: v.Price.Amount, Currency: v.Price.Currency, Available: available, Untracked: v.Untracked,
			MaxPerOrder: v.MaxPerOrder, ImageURL: v.ImageURL})
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func required(given map[string]bool) error {
	var bad []problem.Field
	for name, ok := range given {
		if !ok {
			bad = append(bad, problem.Field{Field: name, Message: "is required"})
		}
	}
	if len(bad) > 0 {
		return problem.Validation(bad...)
	}
	return nil
}

package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

type addressHandler struct {
	addresses checkout.Addresses
	keys      *idempotency.Store
}

type addressView struct {
	ID string `json:"id"`
	checkout.PostalAddress
}

func viewOf(a checkout.Address) addressView { return addressView{a.ID, a.PostalAddress} }

// isCountry knows ISO 3166-1 alpha-2 codes (CLDR's list, without its aliases: the United Kingdom is GB, not UK).
func isCountry(code string) bool {
	if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' {
		return false
	}
	r, err := language.ParseRegion(code)
	return err == nil && r.IsCountry() && r.Canonicalize().String() == code
}

func place(c *gin.Context) (checkout.PostalAddress, error) {
	// Addresses without states or postal codes send them empty; a missing field is a mistake.
	var in struct {
		checkout.PostalAddress
		State      *string `json:"state"`
		PostalCode *string `json:"postal_code"`
	}
	if err := web.Bind(c, &in); err != nil {
		return in.PostalAddress, err
	}
	var missing []problem.Field
	for _, f := range []struct {
		name string
		from *string
		to   *string
	}{{"state", in.State, &in.PostalAddress.State}, {"postal_code", in.PostalCode, &in.PostalAddress.PostalCode}} {
		if f.from == nil {
			missing = append(missing, problem.Field{Field: f.name, Message: "is missing"})
			continue
		}
		*f.to = *f.from
	}
	if len(missing) > 0 {
		return in.PostalAddress, problem.Validation(missing...)
	}
	return in.PostalAddress, in.Check(isCountry)
}

func (h addressHandler) list(c *gin.Context) error {
	if err := web.OnlyQuery(c, "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	before, err := page.After(c)
	if err != nil {
		return err
	}
	found, err := h.addresses.List(c.Request.Context(), web.User(c).ID, before, size+1)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, page.ByID(found, size, func(a checkout.Address) string { return a.ID }, viewOf))
	return nil
}

func (h addressHandler) add(c *gin.Context) error {
	p, err := place(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	id, err := h.keys.Effect(ctx)
	if err != nil {
		return err
	}
	a, err := h.addresses.Add(ctx, checkout.Address{ID: id, UserID: web.User(c).ID, PostalAddress: p})
	if err != nil {
		return err
	}
	c.Header("Location", "/v1/addresses/"+a.ID)
	c.JSON(http.StatusCreated, viewOf(a))
	return nil
}

func (h addressHandler) show(c *gin.Context) error {
	id, err := web.ID(c, "id", "address")
	if err != nil {
		return err
	}
	a, err := h.addresses.Find(c.Request.Context(), web.User(c).ID, id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, viewOf(a))
	return nil
}

func (h addressHandler) change(c *gin.Context) error {
	id, err := web.ID(c, "id", "address")
	if err != nil {
		return err
	}
	p, err := place(c)
	if err != nil {
		return err
	}
	a, err := h.addresses.Change(c.Request.Context(), checkout.Address{ID: id, UserID: web.User(c).ID, PostalAddress: p})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, viewOf(a))
	return nil
}

func (h addressHandler) remove(c *gin.Context) error {
	id, err := web.ID(c, "id", "address")
	if err != nil {
		return err
	}
	if err := h.addresses.Remove(c.Request.Context(), web.User(c).ID, id); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

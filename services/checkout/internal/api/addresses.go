package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/countries"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
)

type addressHandler struct {
	addresses checkout.Addresses
	checkout  *checkout.Service
	keys      *idempotency.Store
}

type addressView struct {
	ID string `json:"id"`
	checkout.PostalAddress
}

func viewOf(a checkout.Address) addressView { return addressView{a.ID, a.PostalAddress} }

func place(c *gin.Context) (checkout.PostalAddress, error) {
	// A country's rules say which of these may be left out.
	var in struct {
		checkout.PostalAddress
		City       *string `json:"city"`
		State      *string `json:"state"`
		PostalCode *string `json:"postal_code"`
	}
	if err := web.Bind(c, &in); err != nil {
		return in.PostalAddress, err
	}
	for _, f := range []struct{ from, to *string }{{in.City, &in.PostalAddress.City},
		{in.State, &in.PostalAddress.State}, {in.PostalCode, &in.PostalAddress.PostalCode}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	p := in.Trim()
	return p, p.Check(countries.Find)
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
	key, err := server.Keyed(c, h.keys)
	if err != nil {
		return err
	}
	p, err := place(c)
	if err != nil {
		return err
	}
	answer, err := h.checkout.AddAddress(c.Request.Context(), key, p,
		func(a checkout.Address) (keyed.Answer, error) { return keyed.JSON(http.StatusCreated, viewOf(a)) })
	return server.WriteCreated(c, answer, err)
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

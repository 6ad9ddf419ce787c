// Package clients calls other services through the sidecar.
package clients

import (
	"context"
	"net/http"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/contracts/productv1"
	"daprmall.dev/services/kit/sidecar"
)

// Catalogue implements cart.Catalogue by calling the product service.
type Catalogue struct{ dapr *sidecar.Client }

// NewCatalogue makes the client.
func NewCatalogue(dapr *sidecar.Client) Catalogue { return Catalogue{dapr} }

// maxShared is how many products a call may ask for that shares an invocation: answers of several large ones would be
// larger than what a sidecar passes on.
const maxShared = 32

// Products implements cart.Catalogue.
func (c Catalogue) Products(ctx context.Context, ids []string) (map[string]cart.Product, error) {
	var answer productv1.GetAnswer
	err := c.dapr.Invoke(ctx, sidecar.Request{App: "product", Method: http.MethodPost, Path: productv1.PathGet,
		In: productv1.GetRequest{IDs: ids}, Out: &answer, System: true, Shared: len(ids) <= maxShared})
	if err != nil {
		return nil, err
	}
	products := make(map[string]cart.Product, len(answer.Products))
	for _, p := range answer.Products {
		products[p.ID] = cart.Product{ID: p.ID, Name: p.Name, Price: p.Price, Currency: p.Currency, Available: p.Available,
			Untracked: p.Untracked, MaxPerOrder: p.MaxPerOrder, ImageURL: p.ImageURL}
	}
	return products, nil
}

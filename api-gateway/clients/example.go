// Command clients buys a teapot with a client that ogen generates from openapi.yaml: it is compiled by the tests, so
// that the contract stays good to write clients with.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	mall "daprmall.dev/api-gateway/clients/generated"
)

func main() {
	if err := run(context.Background(), "http://127.0.0.1:8080",
		mall.Credentials{Email: os.Getenv("EMAIL"), Password: os.Getenv("PASSWORD")}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// session signs requests in.
type session struct{ token string }

func (s *session) Bearer(context.Context, mall.OperationName, *mall.Client) (mall.Bearer, error) {
	return mall.Bearer{Token: s.token}, nil
}

func run(ctx context.Context, url string, who mall.Credentials) error {
	var me session
	client, err := mall.NewClient(url, &me)
	if err != nil {
		return err
	}
	signedIn, err := client.SignIn(ctx, &who, mall.SignInParams{})
	if err != nil {
		return err
	}
	switch answer := signedIn.(type) {
	case *mall.Session:
		me.token = answer.AccessToken
	case *mall.SignInUnauthenticatedProblem:
		return errors.New(answer.Detail)
	default:
		return fmt.Errorf("sign in: %T", answer)
	}

	found, err := client.ListProducts(ctx, mall.ListProductsParams{Q: mall.NewOptString("teapot"),
		PageSize: mall.NewOptInt(1)})
	if err != nil {
		return err
	}
	kept, err := client.ListAddresses(ctx, mall.ListAddressesParams{})
	if err != nil {
		return err
	}
	products, _ := found.(*mall.ProductListHeaders)
	addresses, _ := kept.(*mall.AddressList)
	if products == nil || addresses == nil || len(products.Response.Items) == 0 || len(addresses.Items) == 0 {
		return errors.New("nothing to buy, or nowhere to send it")
	}
	placed, err := client.CheckOut(ctx, &mall.CheckoutRequest{
		AddressID: addresses.Items[0].ID,
		Items:     []mall.CheckoutLine{{ProductID: products.Response.Items[0].ID, Quantity: 1}},
	}, mall.CheckOutParams{IdempotencyKey: rand.Text()})
	if err != nil {
		return err
	}
	switch answer := placed.(type) {
	case *mall.OrderHeaders:
		fmt.Println("order", answer.Response.ID, "costs", answer.Response.Total)
		return nil
	case *mall.CheckOutConflictProblemHeaders:
		return fmt.Errorf("%s: %s", answer.Response.Code, answer.Response.Detail)
	default:
		return fmt.Errorf("check out: %T", answer)
	}
}

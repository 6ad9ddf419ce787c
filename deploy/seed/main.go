// Command seed fills an empty mall with people and products to try it out, through the gateway. It does nothing to a
// mall that has been filled, or that has products of its own. The runner calls it on every start.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/deploy/internal/secrets"
)

const (
	admin   = "admin@mall.local"
	seller  = "seller@mall.local"
	shopper = "shopper@mall.local"

	// atOnce bounds the requests under way; with the gateway's usual limits (100 a second and user) nobody has to wait.
	atOnce = 6
)

func main() {
	if len(os.Args) > 1 { // --help, or a mistake
		fmt.Fprintln(os.Stderr, "seed takes no arguments: it adds demo products and accounts to the running mall")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "seed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	m, err := running.Find()
	if err != nil {
		return err
	}
	visitor := apiclient.New(m.Gateway)
	filled, err := isFilled(ctx, visitor)
	if err != nil {
		return err
	}
	if filled != "" {
		fmt.Println(filled)
		return nil
	}
	if err := fill(ctx, m, visitor); err != nil {
		return err
	}
	fmt.Println(accounts)
	return nil
}

const accounts = "  demo accounts, password " + apiclient.Password + ":\n" +
	"    " + shopper + "   buys\n    " + seller + "    sells\n    " + admin + "     manages both\n" +
	"  cards: 4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined"

// isFilled says what there is to say of a mall that needs nothing, "" if it is to be filled. The shopper's address is
// made last: who has one lives in a mall that is complete, whatever became of its products since.
func isFilled(ctx context.Context, visitor *apiclient.Client) (string, error) {
	a, err := visitor.Do(ctx, http.MethodPost, "/v1/sessions",
		map[string]string{"email": shopper, "password": apiclient.Password})
	if err != nil {
		return "", err
	}
	switch {
	case a.Status == http.StatusCreated:
		var s apiclient.Session
		if err := a.Into(&s); err != nil {
			return "", err
		}
		homes, err := list[struct{}](ctx, visitor.As(s.AccessToken), "/v1/addresses")
		if err != nil || len(homes) == 0 {
			return "", err
		}
		return accounts, nil
	case a.Status == http.StatusForbidden || a.Status == http.StatusTooManyRequests:
		// Banned, or asked for again and again: there is such a shopper.
		return accounts, nil
	case a.Code() != "invalid_credentials":
		return "", fmt.Errorf("sign in as %s: %s", shopper, a)
	}
	onSale, err := list[shown](ctx, visitor, "/v1/products?page_size=100")
	if err != nil {
		return "", err
	}
	for _, p := range onSale {
		if !slices.ContainsFunc(demos, func(d demo) bool { return d.image() == p.ImageURL }) {
			return "  this mall already has products: no demo data was loaded", nil
		}
	}
	return "", nil
}

// shown is a product in a list.
type shown struct {
	ImageURL string `json:"image_url"`
}

func (d demo) image() string { return "/pictures/" + d.picture + ".svg" }

func list[T any](ctx context.Context, c *apiclient.Client, path string) ([]T, error) {
	var page struct {
		Items []T `json:"items"`
	}
	err := c.Want(ctx, http.StatusOK, http.MethodGet, path, nil, &page)
	return page.Items, err
}

// fill makes what is missing: a run before this one may have been interrupted anywhere.
func fill(ctx context.Context, m running.Mall, visitor *apiclient.Client) error {
	var boss, dealer, buyer *apiclient.Client
	err := together(3, func(i int) (err error) {
		switch i {
		case 0:
			boss, err = firstAdmin(ctx, m, visitor)
		case 1:
			dealer, err = visitor.SignUp(ctx, seller)
		case 2:
			buyer, err = visitor.SignUp(ctx, shopper)
		}
		return err
	})
	if err != nil {
		return err
	}
	var who apiclient.User
	if err := dealer.Want(ctx, http.StatusOK, http.MethodGet, "/v1/me", nil, &who); err != nil {
		return err
	}
	roles := map[string]any{"roles": []string{"customer", "seller"}}
	if err := boss.Want(ctx, http.StatusOK, http.MethodPut, "/v1/admin/users/"+who.ID+"/roles", roles, nil); err != nil {
		return err
	}
	// The roles are in the token.
	if dealer, err = visitor.SignIn(ctx, seller); err != nil {
		return err
	}
	onSale, err := list[shown](ctx, visitor, "/v1/products?page_size=100")
	if err != nil {
		return err
	}
	err = together(len(demos), func(i int) error {
		if slices.Contains(onSale, shown{demos[i].image()}) {
			return nil
		}
		return offer(ctx, dealer, demos[i])
	})
	if err != nil {
		return err
	}
	homes, err := list[struct{}](ctx, buyer, "/v1/addresses")
	if err != nil || len(homes) > 0 {
		return err
	}
	return buyer.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/addresses",
		map[string]string{"recipient": "陈薇 Chen Wei", "phone": "+86 21 5555 0123",
			"street": "世纪大道 1 号 Century Avenue 1", "city": "上海 Shanghai", "state": "上海 Shanghai", "country": "CN",
			"postal_code": "200120"}, nil)
}

func offer(ctx context.Context, dealer *apiclient.Client, d demo) error {
	pictures := []map[string]string{{"url": d.image(), "alt": d.name}}
	for _, other := range morePictures[d.picture] {
		pictures = append(pictures, map[string]string{"url": demo{picture: other}.image()})
	}
	return dealer.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/products",
		map[string]any{"name": d.name, "description": d.description, "category": d.category, "pictures": pictures,
			"price": d.price, "stock": d.stock}, nil, "Idempotency-Key", "demo-"+d.picture)
}

// firstAdmin signs the admin up and shows the mall's one-time secret, as an operator would.
func firstAdmin(ctx context.Context, m running.Mall, visitor *apiclient.Client) (*apiclient.Client, error) {
	c, err := visitor.SignUp(ctx, admin)
	if err != nil {
		return nil, err
	}
	var who apiclient.User
	if err := c.Want(ctx, http.StatusOK, http.MethodGet, "/v1/me", nil, &who); err != nil ||
		slices.Contains(who.Roles, "admin") {
		return c, err
	}
	store, err := secrets.Read(m.Home)
	if err != nil {
		return nil, err
	}
	if err := c.BecomeFirstAdmin(ctx, store.FirstAdmin()); err != nil {
		return nil, err
	}
	return visitor.SignIn(ctx, admin) // the roles are in the token
}

// together calls do for 0 … n−1, a few at a time, and returns the first error.
func together(n int, do func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	free := make(chan struct{}, atOnce)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			errs[i] = do(i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

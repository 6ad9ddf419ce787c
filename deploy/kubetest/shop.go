package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/running"
)

const (
	price  = 4900
	stock  = 1_000_000
	retry  = 300 * time.Millisecond // between tries of a request that failed
	within = time.Minute            // of all tries together
)

// count is what shoppers met.
type count struct {
	mu        sync.Mutex
	Purchases int      `json:"purchases"` // paid for
	Requests  int      `json:"requests"`
	Failed    int      `json:"failed"` // answers from 500 on, and none
	Lost      int      `json:"lost"`   // purchases that did not end, with every request tried again for a minute
	Examples  []string `json:"examples,omitempty"`
}

func (c *count) failed(what string, a apiclient.Answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Failed++
	c.example(fmt.Sprintf("%s %s: %s %v", time.Now().UTC().Format("15:04:05.000"), what, a, err))
}

// example keeps the last few.
func (c *count) example(text string) {
	c.Examples = append(c.Examples[max(0, len(c.Examples)-11):], text)
}

// shop buys until ctx ends, then lets purchases end and prints the count.
func shop(ctx context.Context, m running.Mall, firstAdmin string, shoppers int) error {
	visitor := apiclient.New(m.Gateway)
	keeper, err := shopkeeper(ctx, visitor, firstAdmin)
	if err != nil {
		return err
	}
	tea, err := keeper.NewProduct(ctx, "Travelling tea "+apiclient.Key(), "tests", price, stock)
	if err != nil {
		return err
	}
	var c count
	var wg sync.WaitGroup
	for i := range shoppers {
		wg.Go(func() { c.shopper(ctx, visitor, i, tea.ID) })
	}
	for ctx.Err() == nil {
		c.print()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	wg.Wait()
	c.print()
	if c.Lost > 0 {
		return fmt.Errorf("%d purchases did not end", c.Lost)
	}
	return nil
}

func (c *count) print() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(c)
}

// shopkeeper is the first admin, who sells, too.
func shopkeeper(ctx context.Context, visitor *apiclient.Client, secret string) (*apiclient.Client, error) {
	const email = "keeper@mall.test"
	keeper, err := visitor.SignIn(ctx, email)
	if err == nil {
		return keeper, nil
	}
	if keeper, err = visitor.SignUp(ctx, email); err != nil {
		return nil, err
	}
	if err := keeper.BecomeFirstAdmin(ctx, secret); err != nil {
		return nil, err
	}
	if keeper, err = visitor.SignIn(ctx, email); err != nil { // a token with the new role
		return nil, err
	}
	var me apiclient.User
	if err := keeper.Want(ctx, http.StatusOK, http.MethodGet, "/v1/me", nil, &me); err != nil {
		return nil, err
	}
	if err := keeper.Want(ctx, http.StatusOK, http.MethodPut, "/v1/admin/users/"+me.ID+"/roles",
		map[string]any{"roles": []string{"customer", "seller", "admin"}}, nil); err != nil {
		return nil, err
	}
	return visitor.SignIn(ctx, email)
}

// shopper buys one thing after the other. A purchase that has begun is brought to its end.
func (c *count) shopper(ctx context.Context, visitor *apiclient.Client, i int, product string) {
	end := context.WithoutCancel(ctx)
	var me *apiclient.Client
	var email string
	for me == nil {
		email = fmt.Sprintf("shopper-%d-%s@mall.test", i, apiclient.Key())
		account, err := visitor.SignUp(end, email)
		if err == nil {
			me = account
		} else if c.failed("sign up", apiclient.Answer{}, err); pause(ctx) != nil {
			return
		}
	}
	signedIn := time.Now()
	address, err := me.Address(end, "Wuhan")
	if err != nil {
		c.failed("address", apiclient.Answer{}, err)
		return
	}
	for ctx.Err() == nil {
		if time.Since(signedIn) > 10*time.Minute {
			if again, err := visitor.SignIn(end, email); err == nil {
				me, signedIn = again, time.Now()
			}
		}
		if err := c.purchase(end, me, address, product); err != nil {
			c.mu.Lock()
			c.Lost++
			c.example("lost: " + err.Error())
			c.mu.Unlock()
		}
	}
}

func (c *count) purchase(ctx context.Context, me *apiclient.Client, address, product string) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if _, err := c.ask(ctx, "look", func() (apiclient.Answer, error) {
		return me.Do(ctx, http.MethodGet, "/v1/products/"+product, nil)
	}); err != nil {
		return err
	}
	key := apiclient.Key()
	a, err := c.ask(ctx, "check out", func() (apiclient.Answer, error) {
		return me.Buy(ctx, key, address, apiclient.Line{ProductID: product, Quantity: 1})
	})
	if err != nil {
		return err
	}
	var o apiclient.Order
	if err := a.Into(&o); err != nil {
		return err
	}
	if _, err := c.ask(ctx, "pay", func() (apiclient.Answer, error) {
		return me.Pay(ctx, key, o.ID, apiclient.CardGood)
	}); err != nil {
		return err
	}
	for {
		a, err := c.ask(ctx, "order", func() (apiclient.Answer, error) {
			return me.Do(ctx, http.MethodGet, "/v1/orders/"+o.ID, nil)
		})
		if err != nil {
			return err
		}
		if err := a.Into(&o); err != nil {
			return err
		}
		if o.Status == "paid" {
			c.mu.Lock()
			c.Purchases++
			c.mu.Unlock()
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("order %s is %s: %w", o.ID, o.Status, err)
		}
	}
}

// ask repeats a request with its key until it is answered below 500.
func (c *count) ask(ctx context.Context, what string, do func() (apiclient.Answer, error)) (apiclient.Answer, error) {
	for {
		a, err := do()
		c.mu.Lock()
		c.Requests++
		c.mu.Unlock()
		if err == nil && a.Status < http.StatusBadRequest {
			return a, nil
		}
		c.failed(what, a, err)
		if err == nil && a.Status < http.StatusInternalServerError {
			return a, fmt.Errorf("%s: %s", what, a)
		}
		if err := pause(ctx); err != nil {
			return a, errors.Join(fmt.Errorf("%s: %s", what, a), err)
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(retry):
		return nil
	}
}

package cart

import (
	"context"
	"slices"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
)

// Store keeps carts.
type Store interface {
	Load(ctx context.Context, userID string) (Cart, error)
	// Change loads, changes and stores a cart, and starts again if another change came between. change may read, but must
	// have no other effect.
	Change(ctx context.Context, userID string, change func(c *Cart) error) (Cart, error)
}

// Product is what a cart needs to know of a product.
type Product struct {
	ID        string
	Name      string
	Price     int64
	Currency  string
	Available int64 // very many if Untracked
	ImageURL  string

	Untracked   bool  // never sold out
	MaxPerOrder int64 // the most units that one order may have; 0: no maximum
}

// Catalogue returns products that are on sale; others are missing in the answer.
type Catalogue interface {
	Products(ctx context.Context, ids []string) (map[string]Product, error)
}

// Service has the use cases of carts.
type Service struct {
	store     Store
	catalogue Catalogue
	keys      keyed.Runner
	currency  func() string
}

// NewService connects the use cases with what they need; currency is shown with an empty cart.
func NewService(store Store, catalogue Catalogue, keys keyed.Runner, currency func() string) *Service {
	return &Service{store: store, catalogue: catalogue, keys: keys, currency: currency}
}

// ViewLine is a line with the product's present price and picture. A product that is no longer sold has price 0, no
// picture, and nothing available.
type ViewLine struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
	Name      string `json:"name"`
	Price     int64  `json:"price"`
	Available *int64 `json:"available"` // nil: not tracked
	LineTotal int64  `json:"line_total"`
	ImageURL  string `json:"image_url,omitempty"`
	State     State  `json:"state"`
	SeenPrice *int64 `json:"seen_price,omitempty"` // when the shopper added it or set its quantity; nil: not known

	MaxPerOrder int64 `json:"max_per_order,omitempty"`
}

// State says whether a line can be bought as it is.
type State string

// The states of a line.
const (
	Available    State = "available"
	PriceChanged State = "price_changed" // available, at another price than the shopper has seen
	FewerLeft    State = "fewer_left"
	TooMany      State = "too_many" // more than one order may have
	SoldOut      State = "sold_out"
	NotForSale   State = "not_for_sale"
)

func (l Line) state(p Product) State {
	switch {
	case p.MaxPerOrder > 0 && l.Quantity > p.MaxPerOrder:
		return TooMany
	case p.Available <= 0:
		return SoldOut
	case p.Available < l.Quantity:
		return FewerLeft
	case l.Price != nil && *l.Price != p.Price:
		return PriceChanged
	}
	return Available
}

// View is a cart as the contract shows it.
type View struct {
	Items    []ViewLine `json:"items"`
	Total    int64      `json:"total"`
	Currency string     `json:"currency"`
}

// Get returns the cart as it is kept, for checkout.
func (s *Service) Get(ctx context.Context, userID string) (Cart, error) {
	return s.store.Load(ctx, userID)
}

// Show returns the cart with present names and prices.
func (s *Service) Show(ctx context.Context, userID string) (View, error) {
	c, err := s.store.Load(ctx, userID)
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, c)
}

// AddOnce is Add, once per key. Without a key the cart has nothing to remember.
func (s *Service) AddOnce(ctx context.Context, key keyed.Request, productID string, quantity int64,
	encode func(View) (keyed.Answer, error)) (keyed.Answer, error) {
	return s.keys.Do(ctx, key, keyed.Once(func(ctx context.Context, run keyed.Run) (View, error) {
		effect := run.EffectID
		if run.Key == "" {
			effect = ""
		}
		return s.Add(ctx, run.User, productID, quantity, effect)
	}, encode))
}

// Add adds a product that is on sale. effect identifies the request, so that a repetition has no effect.
func (s *Service) Add(ctx context.Context, userID, productID string, quantity int64, effect string) (View, error) {
	return s.changeWithProduct(ctx, userID, productID, func(c *Cart, p Product) error {
		return c.ApplyOnce(effect, func() error { return c.Add(p, quantity) })
	})
}

// Set changes a product's quantity in the cart.
func (s *Service) Set(ctx context.Context, userID, productID string, quantity int64) (View, error) {
	if err := CheckQuantity(quantity, 0); err != nil {
		return View{}, err
	}
	if quantity == 0 {
		return s.Remove(ctx, userID, productID)
	}
	return s.changeWithProduct(ctx, userID, productID,
		func(c *Cart, p Product) error { return c.Set(p, quantity) })
}

// Remove removes a product.
func (s *Service) Remove(ctx context.Context, userID, productID string) (View, error) {
	c, err := s.store.Change(ctx, userID, func(c *Cart) error { return c.Set(Product{ID: productID}, 0) })
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, c)
}

// Clear empties the cart.
func (s *Service) Clear(ctx context.Context, userID string) error {
	_, err := s.store.Change(ctx, userID, func(c *Cart) error { c.Clear(); return nil })
	return err
}

// Take handles order.placed: what was ordered is removed from the cart, once per order. Checkout does the same if the
// next checkout comes before the event.
func (s *Service) Take(ctx context.Context, userID, orderID string, lines []Line) error {
	_, err := s.store.Change(ctx, userID, func(c *Cart) error {
		return c.ApplyOnce(orderID, func() error { c.Take(lines); return nil })
	})
	return err
}

// changeWithProduct changes a cart with the data of a product, which must be on sale. One question asks the catalogue
// about it and about all that is in the cart.
func (s *Service) changeWithProduct(ctx context.Context, userID, productID string,
	change func(c *Cart, p Product) error) (View, error) {
	known := products{}
	c, err := s.store.Change(ctx, userID, func(c *Cart) error {
		needed := c.productIDs()
		if !slices.Contains(needed, productID) {
			needed = append(needed, productID)
		}
		if err := known.learn(ctx, s.catalogue, needed); err != nil {
			return err
		}
		p := known[productID]
		if p == nil {
			return problem.NewNotFound("product")
		}
		return change(c, *p)
	})
	if err != nil {
		return View{}, err
	}
	return s.render(c, known)
}

// products are those that the catalogue was asked about: nil if one is not on sale.
type products map[string]*Product

// learn asks the catalogue about those products that are not among them yet.
func (known products) learn(ctx context.Context, catalogue Catalogue, ids []string) error {
	ids = slices.DeleteFunc(ids, func(id string) bool { _, asked := known[id]; return asked })
	if len(ids) == 0 {
		return nil
	}
	found, err := catalogue.Products(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		known[id] = nil
		if p, ok := found[id]; ok {
			known[id] = &p
		}
	}
	return nil
}

func (s *Service) view(ctx context.Context, c Cart) (View, error) {
	known := products{}
	if err := known.learn(ctx, s.catalogue, c.productIDs()); err != nil {
		return View{}, err
	}
	return s.render(c, known)
}

func (s *Service) render(c Cart, known products) (View, error) {
	v := View{Items: []ViewLine{}, Currency: s.currency()}
	total := money.Of(0, v.Currency)
	for _, l := range c.Lines {
		line := ViewLine{ProductID: l.ProductID, Quantity: l.Quantity, Name: l.Name, Available: new(int64),
			State: NotForSale, SeenPrice: l.Price}
		if p := known[l.ProductID]; p != nil {
			line.Name, line.Price, line.Available, line.State = p.Name, p.Price, &p.Available, l.state(*p)
			line.MaxPerOrder, line.ImageURL = p.MaxPerOrder, p.ImageURL
			if p.Untracked {
				line.Available = nil
			}
		}
		sum, err := money.Of(line.Price, v.Currency).Times(l.Quantity)
		if err != nil {
			return View{}, err
		}
		line.LineTotal = sum.Amount
		if total, err = total.Add(sum); err != nil {
			return View{}, err
		}
		v.Items = append(v.Items, line)
	}
	v.Total = total.Amount
	return v, nil
}

// Delete deletes the cart of a deleted account with everything in it.
func (s *Service) Delete(ctx context.Context, userID string) error {
	_, err := s.store.Change(ctx, userID, func(c *Cart) error {
		*c = Cart{}
		return nil
	})
	return err
}

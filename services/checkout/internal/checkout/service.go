package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/turns"
)

// Order is the placed order as the order service answers it; the caller gets it unchanged.
type Order []byte

// CartContents is the signed-in user's cart.
type CartContents struct {
	Items   []Item
	Applied []string // effects of the last minutes on it, among them the orders that were taken out
}

// Cart is the signed-in user's cart.
type Cart interface {
	Contents(ctx context.Context) (CartContents, error)
	// Take takes what an order has bought out of the cart, once per order.
	Take(ctx context.Context, orderID string, items []Item) error
}

// HoldResult is product's answer to a hold: priced lines, or what is short.
type HoldResult struct {
	Lines     []Line
	Shortages []Shortage // not empty: the order cannot be placed
	TooMany   bool       // Shortages say how many units one order may have
	StillHeld bool       // with shortages: product may hold the lines all the same (a product went off sale); release them
	HeldByOwn bool       // there would be enough without Own
	OverCap   bool       // the shopper would hold more units of a product than Caps allow
	Own       []OwnHold  // what other orders of the shopper hold of the products that are short
}

// Shortage is how much is left of a product of which an order wants more.
type Shortage struct {
	ProductID string
	Available int64
}

// Stock holds stock and returns prices, in one call.
type Stock interface {
	// Hold holds items for the signed-in user, who may hold so many units of each product; 0: any number.
	Hold(ctx context.Context, orderID string, items []Item, maxUnits int64) (HoldResult, error)
	Release(ctx context.Context, orderID string) error
	// Products returns priced lines of the items that are for sale, and leaves out the others.
	Products(ctx context.Context, items []Item) ([]Line, error)
}

// Orders places orders for the signed-in user.
type Orders interface {
	// Place places an order of a user who may have so many unpaid ones; 0: any number.
	Place(ctx context.Context, r Record, lines []Line, t Totals, maxOpen int64) (Order, error)
	// Fence reports whether the order exists; if not, it can never be created afterwards.
	Fence(ctx context.Context, orderID string) (bool, error)
	// Show returns the user's own order.
	Show(ctx context.Context, orderID string) (Order, error)
	// AwaitsPayment returns when the user's own order, which exists, is due: the zero time unless it is unpaid.
	AwaitsPayment(ctx context.Context, orderID string) (due time.Time, err error)
	ChangeAddress(ctx context.Context, orderID string, p PostalAddress) (Order, error)
}

// Service has the use cases of checkout.
type Service struct {
	addresses Addresses
	records   Records
	keys      keyed.Runner
	cart      Cart
	stock     Stock
	orders    Orders
	shipping  func() Shipping
	caps      func() Caps
	turns     *turns.Turns
	currency  func() string
	log       *slog.Logger
}

// maxRunning is how many checkouts of one shopper a process runs at the same time; more wait. Each holds stock until it
// is placed or refused: hundreds at once, of which few can be placed, would leave nothing for others meanwhile.
const maxRunning = 4

// maxWaiting is how many more wait: as many as get their turn within seconds. More would end with time-outs, which open
// the circuit breaker of everybody's checkouts.
const maxWaiting = 100

// NewService connects the use cases with what they need.
func NewService(addresses Addresses, records Records, keys keyed.Runner, cart Cart, stock Stock, orders Orders,
	shipping func() Shipping, caps func() Caps, currency func() string, log *slog.Logger) *Service {
	return &Service{addresses: addresses, records: records, keys: keys, cart: cart, stock: stock, orders: orders,
		shipping: shipping, caps: caps, turns: turns.New(maxRunning, maxWaiting), currency: currency, log: log}
}

// Currency is the mall's present one.
func (s *Service) Currency() string { return s.currency() }

// Request is a checkout as the shopper sends it.
type Request struct {
	AddressID     string
	Items         []Item // nil: the cart
	ExpectedTotal *int64
}

// Resolve looks up address and items, before anything is committed or held. applied are the cart's, if it is used.
func (s *Service) Resolve(ctx context.Context, userID string, r Request) (rec Record, applied []string, err error) {
	a, err := s.addresses.Find(ctx, userID, r.AddressID)
	if err != nil {
		return Record{}, nil, err
	}
	rec = Record{UserID: userID, Items: r.Items, PostalAddress: a.PostalAddress, ExpectedTotal: r.ExpectedTotal}
	if r.Items == nil {
		rec.FromCart = true
		if rec.Items, applied, err = s.cartItems(ctx); err != nil {
			return Record{}, nil, err
		}
	}
	return rec, applied, nil
}

func (s *Service) cartItems(ctx context.Context) (items []Item, applied []string, err error) {
	c, err := s.cart.Contents(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(c.Items) == 0 {
		return nil, nil, problem.New(problem.Invalid, "empty_cart", "The cart is empty.")
	}
	return c.Items, c.Applied, nil
}

// surelyAloneFor is how long a first run is certainly the only one: shorter than the lease of its key, after which a
// retry may begin another run.
const surelyAloneFor = 15 * time.Second

// Run places the order of a record: hold the stock, check the price, place the order. It may run any number of times,
// also concurrently, because holding and placing are idempotent by order id. first means that there was no run before.
//
// If the outcome of a call is unknown, Run returns without releasing the hold: the order may exist. The retry finds
// out, or product does when the hold expires. If product refuses or the price has changed, an earlier or a concurrent
// run may still have placed the order: see refuse.
func (s *Service) Run(ctx context.Context, r Record, first bool) (Order, error) {
	began := time.Now()
	done, err := s.turns.Take(ctx, r.UserID)
	if errors.Is(err, turns.ErrFull) {
		return nil, problem.New(problem.TooManyRequests, "too_many_requests", "You have too many checkouts at once.").
			After(time.Second)
	}
	if err != nil {
		return nil, problem.Wrap(err, problem.Unavailable, "unavailable", "You have too many checkouts at once.").
			After(time.Second)
	}
	defer done()
	caps := s.caps()
	held, err := s.stock.Hold(ctx, r.OrderID, r.Items, caps.HeldUnits)
	if err != nil {
		return nil, fmt.Errorf("hold stock for order %s: %w", r.OrderID, err)
	}
	if len(held.Shortages) > 0 {
		why := soldOut(held)
		switch {
		case held.HeldByOwn:
			why = s.heldByOwn(ctx, r, held)
		case held.OverCap:
			why = s.tooManyHeld(ctx, held, caps.HeldUnits)
		case held.TooMany:
			why = tooMany(held.Shortages)
		case held.StillHeld:
			why = notForSale(held.Shortages)
		}
		return s.refuse(ctx, r, why, first && time.Since(began) < surelyAloneFor, held.StillHeld)
	}
	totals, err := s.shipping().Price(held.Lines, s.currency())
	if err != nil {
		return s.refuse(ctx, r, err, false, true)
	}
	if why := r.priceChanged(held.Lines, totals, s.shipping()); why != nil {
		return s.refuse(ctx, r, why, false, true)
	}
	placed, err := s.orders.Place(ctx, r, held.Lines, totals, caps.OpenOrders)
	if err == nil {
		return placed, nil
	}
	if !keyed.Definite(err) {
		return nil, fmt.Errorf("place order %s: %w", r.OrderID, err)
	}
	s.release(ctx, r.OrderID)
	return nil, err
}

// refuse makes sure that the order does not exist and never will, and then refuses with why. If this run is surely the
// only one, nobody can have placed the order. Otherwise the order service is asked, and fences the id if there is no
// order; if there is one it is returned. mayHold means that product may hold stock, which is released.
func (s *Service) refuse(ctx context.Context, r Record, why error, surelyAlone, mayHold bool) (Order, error) {
	if !surelyAlone {
		exists, err := s.orders.Fence(ctx, r.OrderID)
		if err != nil {
			return nil, fmt.Errorf("fence order %s: %w", r.OrderID, err)
		}
		if exists {
			return s.orders.Show(ctx, r.OrderID)
		}
	}
	if mayHold {
		s.release(ctx, r.OrderID)
	}
	return nil, why
}

// release releases a hold early; if that fails, the hold expires by itself.
func (s *Service) release(ctx context.Context, orderID string) {
	if err := s.stock.Release(ctx, orderID); err != nil {
		s.log.WarnContext(ctx, "hold not released, it will run out", "order", orderID, "error", err)
	}
}

func soldOut(held HoldResult) error {
	e := problem.New(problem.Conflict, "sold_out", "There is not enough of what you want to buy.")
	for _, short := range held.Shortages {
		e = e.With(problem.Field{Field: short.ProductID, Message: strconv.FormatInt(short.Available, 10) + " left"})
	}
	e.OrderIDs = unpaidOrders(held.Own)
	return e
}

// notForSale names products that were removed, or whose seller may not sell.
func notForSale(products []Shortage) error {
	e := problem.New(problem.Conflict, "not_for_sale", "Something that you want to buy is not for sale any more.")
	for _, p := range products {
		e = e.With(problem.Field{Field: p.ProductID, Message: "is not for sale"})
	}
	return e
}

// tooMany names products of which an order wants more than one order may have.
func tooMany(products []Shortage) error {
	e := problem.New(problem.Conflict, "too_many_per_order", "An order may not have so many of a product.")
	for _, p := range products {
		e = e.With(problem.Field{Field: p.ProductID, Message: "at most " + strconv.FormatInt(p.Available, 10) + " per order"})
	}
	return e
}

// overMaximum are the lines with more units than one order may have.
func overMaximum(lines []Line) (products []Shortage) {
	for _, l := range lines {
		if l.MaxPerOrder > 0 && l.Quantity > l.MaxPerOrder {
			products = append(products, Shortage{ProductID: l.ProductID, Available: l.MaxPerOrder})
		}
	}
	return products
}

// missing are the items without a line.
func missing(items []Item, lines []Line) (products []Shortage) {
	for _, it := range items {
		if !slices.ContainsFunc(lines, func(l Line) bool { return l.ProductID == it.ProductID }) {
			products = append(products, Shortage{ProductID: it.ProductID})
		}
	}
	return products
}

// Quote is what a checkout would cost now.
type Quote struct {
	Lines  []Line
	Totals Totals
}

// QuoteOnce is Quote, once per key.
func (s *Service) QuoteOnce(ctx context.Context, key keyed.Request, items []Item,
	encode func(Quote) (keyed.Answer, error)) (keyed.Answer, error) {
	return s.keys.Do(ctx, key, keyed.Once(func(ctx context.Context, _ keyed.Run) (Quote, error) {
		return s.Quote(ctx, items)
	}, encode))
}

// Quote prices items, or the cart if items is nil, without holding anything.
func (s *Service) Quote(ctx context.Context, items []Item) (Quote, error) {
	if items == nil {
		var err error
		if items, _, err = s.cartItems(ctx); err != nil {
			return Quote{}, err
		}
	}
	lines, err := s.stock.Products(ctx, items)
	if err != nil {
		return Quote{}, err
	}
	if len(lines) < len(items) {
		return Quote{}, notForSale(missing(items, lines)) // as the checkout would
	}
	if over := overMaximum(lines); len(over) > 0 {
		return Quote{}, tooMany(over)
	}
	totals, err := s.shipping().Price(lines, s.currency())
	return Quote{lines, totals}, err
}

// ChangeAddress sends an order elsewhere.
func (s *Service) ChangeAddress(ctx context.Context, userID, orderID, addressID string) (Order, error) {
	a, err := s.addresses.Find(ctx, userID, addressID)
	if err != nil {
		return nil, err
	}
	return s.orders.ChangeAddress(ctx, orderID, a.PostalAddress)
}

// ForgetUser deletes the addresses of a deleted account, those of its checkouts too.
func (s *Service) ForgetUser(ctx context.Context, userID string) error {
	return errors.Join(s.addresses.RemoveAll(ctx, userID), s.records.EraseAddresses(ctx, userID))
}

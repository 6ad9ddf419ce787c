package payment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"daprmall.dev/services/kit/problem"
)

const (
	createTimeout = 2 * time.Second
	// confirmTimeout is shorter than the edge's patience: who waits longer is told "processing" and it settles by itself.
	confirmTimeout = 3 * time.Second
	askTimeout     = 5 * time.Second
)

// Store keeps bills, attempts and refunds. now is the database's clock.
type Store interface {
	// OpenBills keeps bills of orders that have none yet, open or closed.
	OpenBills(ctx context.Context, bills ...Bill) error
	// CloseBill closes an open bill, or writes it closed at once. A paid one stays paid.
	CloseBill(ctx context.Context, b Bill) error
	// Start keeps an attempt that decide allows to pay the bill of p's order, under the bill's lock; an attempt with p's id that exists
	// is returned instead (found), unless it is revivable. ErrNoBill if there is no bill.
	Start(ctx context.Context, p Payment, decide func(b Bill, now time.Time, live bool) error) (kept *Payment, found bool, err error)
	// Opened keeps the provider's id of an attempt under way; false if it is not under way any more.
	Opened(ctx context.Context, id, providerID string) (bool, error)
	// Abandon cancels an attempt under way that no provider has opened; Opened refuses it from then on. It gives the attempt as it is now.
	Abandon(ctx context.Context, id, why string) (*Payment, error)
	Find(ctx context.Context, id string) (*Payment, error)
	// Settle changes an attempt, its bill, and writes the event of a success, together.
	Settle(ctx context.Context, id string, o Outcome) (*Payment, error)
	// NextUnsettled claims an attempt under way whose time to be looked at has come: some seconds after its request must have ended, or
	// sooner by LookSoon. wanted says whether its bill is still open.
	NextUnsettled(ctx context.Context) (p *Payment, wanted bool, err error)
	LookSoon(ctx context.Context, id string) error
	// AskRefund keeps the request for a refund, once per payment. An unknown payment is an error.
	AskRefund(ctx context.Context, paymentID string, amount int64) error
	NextRefund(ctx context.Context) (*Payment, error)
	// Refunded records that money went back and writes the event.
	Refunded(ctx context.Context, paymentID string) error
}

// ErrNoBill says that payment has not heard of an order yet: OpenBill asks for it.
var ErrNoBill = errors.New("no bill of this order")

// Orders tells of an order whose event has not come yet; nil if there is none.
type Orders interface {
	Payable(ctx context.Context, orderID string) (*Bill, error)
}

// Service is what can be done with money.
type Service struct {
	store     Store
	orders    Orders
	providers map[string]Provider
	use       func() string // the provider of new attempts
	log       *slog.Logger
	now       func() time.Time
}

// NewService wires payments. Attempts keep the provider they began with; use names the one for new ones.
func NewService(store Store, orders Orders, providers []Provider, use func() string, log *slog.Logger) *Service {
	s := &Service{store: store, orders: orders, providers: map[string]Provider{}, use: use, log: log, now: time.Now}
	for _, p := range providers {
		s.providers[p.Name()] = p
	}
	return s
}

// OpenBill opens the bill of a user's own order whose event has not come yet. Someone else's order is a missing one.
func (s *Service) OpenBill(ctx context.Context, userID, orderID string) error {
	b, err := s.orders.Payable(ctx, orderID)
	if err != nil {
		return fmt.Errorf("ask for order %s: %w", orderID, err)
	}
	if b == nil || b.UserID != userID {
		return problem.Missing("order")
	}
	// An order that ended before payment heard of it: its own event will write the bill, and closed.
	if err := b.CanStart(s.now(), false); err != nil {
		return err
	}
	return s.store.OpenBills(ctx, *b)
}

// CheckCard refuses a card that no provider could take.
func (s *Service) CheckCard(c Card) error { return c.Check(s.now()) }

// Start keeps a user's attempt with this id before anybody is asked for money, in the transaction of ctx. resumed means that a run before
// this one kept it: its card is gone, so it is never charged here. ErrNoBill means that OpenBill has to come first.
func (s *Service) Start(ctx context.Context, id, userID, orderID string, card Shown) (p *Payment, resumed bool, err error) {
	provider := s.use()
	if s.providers[provider] == nil {
		return nil, false, fmt.Errorf("no payment provider %q", provider)
	}
	at := s.now().UTC()
	attempt := Payment{ID: id, OrderID: orderID, UserID: userID, Provider: provider, Status: Processing, Card: card, CreatedAt: at, UpdatedAt: at}
	return s.store.Start(ctx, attempt, func(b Bill, now time.Time, live bool) error {
		if b.UserID != userID {
			return problem.Missing("order")
		}
		return b.CanStart(now, live)
	})
}

// Charge asks the provider and keeps what it says.
func (s *Service) Charge(ctx context.Context, p *Payment, card Card) (*Payment, error) {
	o, err := s.Ask(ctx, p, card)
	if err != nil {
		return nil, err
	}
	return s.Keep(ctx, p.ID, o)
}

// Ask asks the provider: first for an id, which is kept, then for the money. StateProcessing means that the outcome is unknown; the settler
// finds out.
func (s *Service) Ask(ctx context.Context, p *Payment, card Card) (Outcome, error) {
	unknown := Outcome{State: StateProcessing}
	provider := s.providers[p.Provider]
	creating, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	id, err := provider.Create(creating, p.ID, p.Amount, p.Currency)
	if err != nil {
		s.log.WarnContext(ctx, "provider did not open a charge", "payment", p.ID, "error", err)
		// Without a kept id no card was ever sent: this is final.
		return Outcome{State: StateFailed, FailureCode: ProviderUnavailable}, nil
	}
	mine, err := s.store.Opened(ctx, p.ID, id)
	if err != nil || !mine { // cancelled meanwhile
		return unknown, err
	}
	confirming, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	o, err := provider.Confirm(confirming, id, card)
	if err != nil {
		s.log.WarnContext(ctx, "outcome of a charge is unknown, the provider will be asked", "payment", p.ID, "error", err)
		return unknown, s.store.LookSoon(context.WithoutCancel(ctx), p.ID)
	}
	return o, nil
}

// Keep keeps what the provider said, in the transaction of ctx if there is one, and gives the attempt as it is then.
func (s *Service) Keep(ctx context.Context, id string, o Outcome) (*Payment, error) {
	return s.store.Settle(context.WithoutCancel(ctx), id, o)
}

// Show gives a user's own attempt.
func (s *Service) Show(ctx context.Context, userID, id string) (*Payment, error) {
	p, err := s.store.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.UserID != userID {
		return nil, problem.Missing("payment")
	}
	return p, nil
}

// Cancel ends a user's own attempt that is not settled. It is final only after the provider has cancelled.
func (s *Service) Cancel(ctx context.Context, userID, id string) (*Payment, error) {
	p, err := s.Show(ctx, userID, id)
	if err != nil || p.Status == Cancelled {
		return p, err
	}
	if p.Status == Processing {
		if p, err = s.end(ctx, p, ""); err != nil {
			return nil, problem.Busy(err, 2*time.Second, "The payment provider cannot be reached right now.")
		}
	}
	if p.Status != Cancelled {
		return nil, problem.New(problem.Conflict, "payment_not_cancellable", "The payment is %s.", p.Status)
	}
	return p, nil
}

// end cancels at the provider and keeps what it found.
func (s *Service) end(ctx context.Context, p *Payment, why string) (*Payment, error) {
	if p.ProviderID == "" {
		now, err := s.store.Abandon(ctx, p.ID, why)
		if err != nil || now.Status != Processing {
			return now, err
		}
		p = now // opened since p was read: its card may be on the way, so only the provider can say what became of it
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o, err := s.providers[p.Provider].Cancel(asking, p.ProviderID)
	if err != nil {
		return nil, fmt.Errorf("cancel at the provider: %w", err)
	}
	if o.State == StateCancelled {
		o.FailureCode = why
	}
	return s.store.Settle(ctx, p.ID, o)
}

package payment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
)

const (
	createTimeout = 2 * time.Second
	// confirmTimeout is shorter than the gateway's: a shopper whose charge takes longer is answered "processing", and it
	// is settled in the background.
	confirmTimeout = 3 * time.Second
	askTimeout     = 5 * time.Second
)

// Orders returns the bill of an order whose event has not arrived yet; nil if there is no such order.
type Orders interface {
	Payable(ctx context.Context, orderID string) (*Bill, error)
}

// Service has the use cases of payments.
type Service struct {
	store     Store
	orders    Orders
	keys      keyed.Runner
	providers map[string]Provider
	names     []string      // of providers
	use       func() string // the provider of new attempts
	log       *slog.Logger
	now       func() time.Time
}

// NewService connects the use cases with what they need. Attempts keep the provider they began with; use names the one
// for new ones.
func NewService(store Store, orders Orders, keys keyed.Runner, providers []Provider, use func() string,
	log *slog.Logger) *Service {
	s := &Service{store: store, orders: orders, keys: keys, providers: map[string]Provider{}, use: use, log: log,
		now: time.Now}
	for _, p := range providers {
		s.providers[p.Name()] = p
		s.names = append(s.names, p.Name())
	}
	return s
}

// billPatience is how long the event of an order is waited for: it has usually arrived by then.
const billPatience = 250 * time.Millisecond

// AwaitBill waits briefly for the event that opens an order's bill, which costs less than asking order. It may end
// without a bill. A bill opened after AwaitBill began and before there is called is not missed.
func (s *Service) AwaitBill(orderID string) (there func(context.Context) error, done func()) {
	opened, done := s.store.AwaitBill(orderID)
	return func(ctx context.Context) error {
		patience := time.NewTimer(billPatience)
		defer patience.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-opened:
		case <-patience.C:
		}
		return nil
	}, done
}

// OpenBill opens the bill of a user's own order whose event has not arrived yet. Another user's order is a missing one.
func (s *Service) OpenBill(ctx context.Context, userID, orderID string) error {
	b, err := s.orders.Payable(ctx, orderID)
	if err != nil {
		return fmt.Errorf("ask for order %s: %w", orderID, err)
	}
	if b == nil || b.UserID != userID {
		return problem.NewNotFound("order")
	}
	// The order ended before payment heard of it: its own event will write a closed bill.
	if err := b.CanStart(s.now(), false); err != nil {
		return err
	}
	return s.store.OpenBills(ctx, *b)
}

// CheckCard rejects a card that no provider could accept. No card is valid where shoppers can enter it at the provider.
func (s *Service) CheckCard(c *Card) error {
	if c != nil {
		return c.Check(s.now())
	}
	if p := s.providers[s.use()]; p != nil && p.HostsCards() {
		return nil
	}
	return problem.Validation(problem.Field{Field: "card",
		Message: "is missing: the payment provider has no card fields of its own"})
}

// Start writes a user's attempt with this id, in the transaction of ctx, before any provider is called. resumed means
// that an earlier run wrote it: its card is gone, so it is never charged here. ErrNoBill means that OpenBill has to
// come first. Without a card the shopper enters it at the provider.
func (s *Service) Start(ctx context.Context, id, userID, orderID string, card *Card) (p *Payment, resumed bool,
	err error) {
	attempt, err := s.attempt(id, userID, orderID, card)
	if err != nil {
		return nil, false, err
	}
	return s.store.Start(ctx, attempt, func(b Bill, now time.Time, live bool) error {
		if b.UserID != userID {
			return problem.NewNotFound("order")
		}
		return b.CanStart(now, live)
	})
}

// StartNew is Start together with the claim of the request's key, for what almost every request is: the first one with
// its key, for an open bill that nobody else is paying. Else it starts nothing and gives nil; Start says why. The key
// may be claimed then, with the run's effect id.
func (s *Service) StartNew(ctx context.Context, run keyed.Run, orderID string, card *Card) (*Payment, error) {
	attempt, err := s.attempt(run.EffectID, run.User, orderID, card)
	if err != nil {
		return nil, err
	}
	return s.store.StartNew(ctx, attempt, run)
}

// attempt returns a new one.
func (s *Service) attempt(id, userID, orderID string, card *Card) (Payment, error) {
	provider, err := s.provider(s.use())
	if err != nil {
		return Payment{}, err
	}
	at := s.now().UTC()
	p := Payment{ID: id, OrderID: orderID, UserID: userID, Provider: provider.Name(), Status: Processing, CreatedAt: at,
		UpdatedAt: at}
	if card != nil {
		p.Card = card.Mask()
	}
	return p, nil
}

// provider returns one that is set up. One whose secret is gone is a fault of ours: its attempts wait.
func (s *Service) provider(name string) (Provider, error) {
	if p := s.providers[name]; p != nil {
		return p, nil
	}
	return nil, problem.NewUnavailable(fmt.Errorf("payment provider %q is not set up", name), 30*time.Second,
		"The payment provider cannot be reached right now.")
}

// Charge asks the provider: first for an id, which is kept, then for the money. An outcome without a state means that
// it is unknown; the settler finds out.
func (s *Service) Charge(ctx context.Context, p *Payment, card *Card) (Outcome, error) {
	provider, err := s.provider(p.Provider)
	if err != nil {
		return Outcome{}, err
	}
	creating, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	id, err := provider.Create(creating, p.ID, p.Amount, p.Currency)
	if errors.Is(err, ErrNotChargeable) {
		s.log.ErrorContext(ctx, "the provider cannot take this amount", "payment", p.ID, "currency", p.Currency, "error", err)
		return Outcome{State: StateFailed, FailureCode: NotChargeable}, nil
	}
	if err != nil {
		s.log.WarnContext(ctx, "provider did not open a charge", "payment", p.ID, "error", err)
		// Without a kept id no card was ever sent: this is final.
		return Outcome{State: StateFailed, FailureCode: ProviderUnavailable}, nil
	}
	mine, err := s.store.Opened(ctx, p.ID, id)
	if err != nil || !mine { // cancelled meanwhile
		return Outcome{}, err
	}
	confirming, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	var o Outcome
	if card != nil {
		o, err = provider.Confirm(confirming, id, *card)
	} else {
		o, err = s.look(confirming, provider, &Payment{ID: p.ID, ProviderID: id})
	}
	if err != nil {
		s.log.WarnContext(ctx, "outcome of a charge is unknown, the provider will be asked", "payment", p.ID, "error", err)
		return Outcome{}, s.store.ScheduleCheck(context.WithoutCancel(ctx), p.ID)
	}
	return o, nil
}

// look asks the provider what became of an attempt. An open charge without a card is one whose shopper has to enter it,
// if the provider has fields for that.
func (s *Service) look(ctx context.Context, provider Provider, p *Payment) (Outcome, error) {
	o, err := provider.Get(ctx, p.ProviderID)
	if err == nil && o.State == StateCreated && p.Hosted() && o.NextAction != nil {
		o.State, o.FailureCode = StateRequiresAction, ""
	}
	return o, err
}

// RecordOutcome keeps what the provider said, in the transaction of ctx if there is one, and gives the attempt as it is
// then.
func (s *Service) RecordOutcome(ctx context.Context, id string, o Outcome) (*Payment, error) {
	return s.store.Settle(context.WithoutCancel(ctx), id, o)
}

// KeepNew is RecordOutcome together with the answer of the request's key, for what almost every attempt comes to:
// StartNew has kept it, it has brought the money, and nobody has changed it or its bill meanwhile; it gives that
// answer. Else it keeps nothing and gives nil, and RecordOutcome does it.
func (s *Service) KeepNew(ctx context.Context, p *Payment, o Outcome, run keyed.Run,
	encode func(*Payment) ([]byte, error)) (*keyed.Answer, error) {
	after := *p
	if p.Started.Read.IsZero() || !after.Settle(o, p.Started.now()) || after.Status != Succeeded {
		return nil, nil
	}
	body, err := encode(&after)
	if err != nil {
		return nil, err
	}
	a := keyed.Created(body)
	if kept, err := s.store.SettleNew(context.WithoutCancel(ctx), after, run, a); err != nil || !kept {
		return nil, err
	}
	return &a, nil
}

// Show returns a user's own attempt.
func (s *Service) Show(ctx context.Context, userID, id string) (*Payment, error) {
	p, err := s.store.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.UserID != userID {
		return nil, problem.NewNotFound("payment")
	}
	return p, nil
}

// Cancel ends a user's own attempt that is not settled. It is final only after the provider has cancelled.
func (s *Service) Cancel(ctx context.Context, userID, id string) (*Payment, error) {
	p, err := s.Show(ctx, userID, id)
	if err != nil || p.Status == Cancelled {
		return p, err
	}
	if p.UnderWay() {
		if p, err = s.end(ctx, p, StateCancelled, ""); err != nil {
			return nil, problem.NewUnavailable(err, 2*time.Second, "The payment provider cannot be reached right now.")
		}
	}
	if p.Status != Cancelled {
		return nil, problem.New(problem.Conflict, "payment_not_cancellable", "The payment is %s.", p.Status)
	}
	return p, nil
}

// Answer plays the shopper's part in a provider's challenge, where that is possible: in the sandbox.
func (s *Service) Answer(ctx context.Context, userID, id string, approve bool) (*Payment, error) {
	p, err := s.Show(ctx, userID, id)
	if err != nil {
		return nil, err
	}
	provider, playable := s.providers[p.Provider].(Challenged)
	if !playable {
		return nil, problem.NewNotFound("payment")
	}
	if p.Status != RequiresAction {
		return nil, problem.New(problem.Conflict, "no_action_required", "The payment is %s.", p.Status)
	}
	if err := provider.Answer(ctx, p.ProviderID, approve); err != nil {
		return nil, problem.NewUnavailable(err, time.Second, "The payment provider cannot be reached right now.")
	}
	if err := s.settle(ctx, p, true); err != nil {
		return nil, err
	}
	return s.Show(ctx, userID, id)
}

// end cancels at the provider and keeps what it found; an attempt that it cancelled ends as state and why say.
func (s *Service) end(ctx context.Context, p *Payment, state State, why string) (*Payment, error) {
	if p.ProviderID == "" {
		now, err := s.store.Abandon(ctx, p.ID, why)
		if err != nil || !now.UnderWay() {
			return now, err
		}
		p = now // opened since p was read: its card may be on the way, so only the provider can say what became of it
	}
	provider, err := s.provider(p.Provider)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o, err := provider.Cancel(asking, p.ProviderID)
	if err != nil {
		return nil, fmt.Errorf("cancel at the provider: %w", err)
	}
	if o.State == StateCancelled {
		o.State, o.FailureCode = state, why
	}
	return s.store.Settle(ctx, p.ID, o)
}

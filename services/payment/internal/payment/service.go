package payment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
)

const (
	createTimeout = 2 * time.Second
	// confirmTimeout is far shorter than callers wait (sidecar.CallTimeout): a shopper whose charge takes longer gets the
	// answer "processing", and the settler finds the outcome.
	confirmTimeout = 3 * time.Second
	queryTimeout   = 5 * time.Second
)

// Orders returns the bill of an order whose event has not arrived yet; nil if there is no such order.
type Orders interface {
	Payable(ctx context.Context, orderID string) (*Bill, error)
}

// Service has the use cases of payments.
type Service struct {
	store          Store
	orders         Orders
	keys           keyed.Runner
	providers      map[string]Provider
	providerNames  []string      // of the providers that are set up
	newAttemptsUse func() string // returns the name of the provider of new attempts
	log            *slog.Logger
	now            func() time.Time
}

// NewService connects the use cases with what they need. newAttemptsUse returns the name of the provider of new
// attempts; an attempt keeps the provider that it began with.
func NewService(store Store, orders Orders, keys keyed.Runner, providers []Provider, newAttemptsUse func() string,
	log *slog.Logger) *Service {
	s := &Service{store: store, orders: orders, keys: keys, providers: map[string]Provider{},
		newAttemptsUse: newAttemptsUse, log: log,
		now: time.Now}
	for _, p := range slices.Concat(providers, []Provider{noProvider{}}) {
		s.providers[p.Name()] = p
		s.providerNames = append(s.providerNames, p.Name())
	}
	return s
}

// billTimeout is how long the event that opens an order's bill is waited for. It has usually arrived by then.
const billTimeout = 250 * time.Millisecond

// AwaitBill returns a function that waits up to billTimeout for the event that opens an order's bill: waiting costs
// less than asking order. It also returns if there is no bill. A bill that is opened after AwaitBill was called and
// before wait is called counts. The caller calls done at the end.
func (s *Service) AwaitBill(orderID string) (wait func(context.Context) error, done func()) {
	opened, done := s.store.AwaitBill(orderID)
	return func(ctx context.Context) error {
		timeout := time.NewTimer(billTimeout)
		defer timeout.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-opened:
		case <-timeout.C:
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
	// An order that has ended already gets no open bill here: its order.cancelled will write a closed one.
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
	if p := s.providers[s.newAttemptsUse()]; p != nil && p.HostsCards() {
		return nil
	}
	return problem.Validation(problem.Field{Field: "card",
		Message: "is missing: the payment provider has no card fields of its own"})
}

// Start writes a user's attempt with this id, in the transaction of ctx, before any provider is called. resumed means
// that an earlier run of the request wrote it: that run may have sent the card, so this one must not charge. ErrNoBill
// means that there is no bill yet: call OpenBill first. Without a card the shopper enters it at the provider.
func (s *Service) Start(ctx context.Context, id, userID, orderID string, card *Card) (p *Payment, resumed bool,
	err error) {
	attempt, err := s.newAttempt(id, userID, orderID, card)
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

// StartNew is Start and the claim of the request's key by one statement, for the usual case: the first request with its
// key, for an open bill without another attempt under way. In any other case it starts nothing and returns nil, and
// Start finds the reason; the key may have been claimed then, with the run's effect id.
func (s *Service) StartNew(ctx context.Context, run keyed.Run, orderID string, card *Card) (*Payment, error) {
	attempt, err := s.newAttempt(run.EffectID, run.User, orderID, card)
	if err != nil {
		return nil, err
	}
	return s.store.StartNew(ctx, attempt, run)
}

// newAttempt returns an attempt with the provider of new attempts.
func (s *Service) newAttempt(id, userID, orderID string, card *Card) (Payment, error) {
	provider, err := s.provider(s.newAttemptsUse())
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

// provider returns a provider that is set up. Attempts of others wait until an operator restores their secret.
func (s *Service) provider(name string) (Provider, error) {
	if p := s.providers[name]; p != nil {
		return p, nil
	}
	return nil, problem.NewUnavailable(fmt.Errorf("payment provider %q is not set up", name), 30*time.Second,
		"The payment provider cannot be reached right now.")
}

// Charge opens a charge at the provider, commits its id, and only then sends the card. So after a crash an attempt
// without a provider's id was certainly not charged. An outcome without a state is unknown: the settler queries the
// provider.
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
		// Without a committed id no card was sent, so this outcome is final.
		return Outcome{State: StateFailed, FailureCode: ProviderUnavailable}, nil
	}
	stillUnderWay, err := s.store.Opened(ctx, p.ID, id)
	if err != nil || !stillUnderWay { // cancelled meanwhile
		return Outcome{}, err
	}
	confirming, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	var o Outcome
	if card != nil {
		o, err = provider.Confirm(confirming, id, *card)
	} else {
		o, err = s.queryProvider(confirming, provider, &Payment{ID: p.ID, ProviderID: id})
	}
	if err != nil {
		s.log.WarnContext(ctx, "outcome of a charge is unknown, the provider will be asked", "payment", p.ID, "error", err)
		return Outcome{}, s.store.ScheduleCheck(context.WithoutCancel(ctx), p.ID)
	}
	return o, nil
}

// queryProvider asks the provider for the outcome of an attempt. If the card is entered at the provider, an open charge
// without a card requires an action of the shopper.
func (s *Service) queryProvider(ctx context.Context, provider Provider, p *Payment) (Outcome, error) {
	o, err := provider.Get(ctx, p.ProviderID)
	if err == nil && o.State == StateCreated && p.Hosted() && o.NextAction != nil {
		o.State, o.FailureCode = StateRequiresAction, ""
	}
	return o, err
}

// RecordOutcome writes an outcome, in the transaction of ctx if there is one, and returns the attempt as it is then.
func (s *Service) RecordOutcome(ctx context.Context, id string, o Outcome) (*Payment, error) {
	return s.store.Settle(context.WithoutCancel(ctx), id, o)
}

// KeepNew is RecordOutcome and storing the answer of the request's key by one statement, for the usual case: an attempt
// from StartNew has succeeded, and neither it nor its bill has changed meanwhile. It returns that answer. In any other
// case it writes nothing and returns nil, and RecordOutcome writes the outcome.
func (s *Service) KeepNew(ctx context.Context, p *Payment, o Outcome, run keyed.Run,
	encode func(*Payment) ([]byte, error)) (*keyed.Answer, error) {
	after := *p
	if p.Started.ReadAt.IsZero() || !after.Settle(o, p.Started.now()) || after.Status != Succeeded {
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

// CancelOnce is Cancel for the user of a key, once per key.
func (s *Service) CancelOnce(ctx context.Context, key keyed.Request, id string,
	encode func(*Payment) (keyed.Answer, error)) (keyed.Answer, error) {
	return s.keys.Do(ctx, key, keyed.Once(func(ctx context.Context, run keyed.Run) (*Payment, error) {
		return s.Cancel(ctx, run.User, id)
	}, encode))
}

// Cancel ends a user's own attempt that is under way. It is cancelled only once the provider has cancelled the charge.
func (s *Service) Cancel(ctx context.Context, userID, id string) (*Payment, error) {
	p, err := s.Show(ctx, userID, id)
	if err != nil || p.Status == Cancelled {
		return p, err
	}
	if p.UnderWay() {
		if p, err = s.cancelAtProvider(ctx, p, StateCancelled, ""); err != nil {
			return nil, problem.NewUnavailable(err, 2*time.Second, "The payment provider cannot be reached right now.")
		}
	}
	if p.Status != Cancelled {
		return nil, problem.New(problem.Conflict, "payment_not_cancellable", "The payment is %s.", p.Status)
	}
	return p, nil
}

// AnswerChallenge answers a challenge of the card's bank for the shopper. Only the sandbox allows that.
func (s *Service) AnswerChallenge(ctx context.Context, userID, id string, approve bool) (*Payment, error) {
	p, err := s.Show(ctx, userID, id)
	if err != nil {
		return nil, err
	}
	provider, hasChallenges := s.providers[p.Provider].(Challenged)
	if !hasChallenges {
		return nil, problem.NewNotFound("payment")
	}
	if p.Status != RequiresAction {
		return nil, problem.New(problem.Conflict, "no_action_required", "The payment is %s.", p.Status)
	}
	if err := provider.AnswerChallenge(ctx, p.ProviderID, approve); err != nil {
		return nil, problem.NewUnavailable(err, time.Second, "The payment provider cannot be reached right now.")
	}
	if err := s.settle(ctx, p, true); err != nil {
		return nil, err
	}
	return s.Show(ctx, userID, id)
}

// cancelAtProvider cancels the charge of an attempt, and writes the outcome that the provider returns. If the charge
// was cancelled, the attempt ends with this state and failure code.
func (s *Service) cancelAtProvider(ctx context.Context, p *Payment, state State, why string) (*Payment, error) {
	if p.ProviderID == "" {
		current, err := s.store.Abandon(ctx, p.ID, why)
		if err != nil || !current.UnderWay() {
			return current, err
		}
		p = current // its charge was opened since p was read, and the card may be on its way: ask the provider
	}
	provider, err := s.provider(p.Provider)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, queryTimeout)
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

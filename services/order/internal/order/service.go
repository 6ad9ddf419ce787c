package order

import (
	"context"
	"errors"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
)

// Store keeps orders. State and events commit together. now is the database's clock, so that replicas agree on
// deadlines.
type Store interface {
	// Create writes the order and events that build returns. If an order with this id exists it is returned instead; if
	// the id was fenced, the error is checkout_expired. If the shopper has maxOpen unpaid orders (0: no bound) the error
	// is TooManyOpenError, and the id is fenced.
	Create(ctx context.Context, id ID, maxOpen int64, build func(now time.Time) (*Order, []Event, error)) (*Order, error)
	// Update changes orders under their locks, all or none, in the sequence of updates, and returns one order per update.
	// An unknown id is NotFound.
	Update(ctx context.Context, updates ...Update) ([]*Order, error)
	Find(ctx context.Context, id ID) (*Order, error)
	// RefundRequests returns the refunds requested for an order, oldest first.
	RefundRequests(ctx context.Context, id ID) ([]RefundRequest, error)
	// List returns a user's orders, newest first, those older than before ("" for all).
	List(ctx context.Context, userID string, status Status, before ID, limit int) ([]*Order, error)
	// Changes returns at most limit entries of histories that transactions have written which the cursor after does not
	// cover. Cursor returns one that covers all transactions that have ended.
	Changes(ctx context.Context, after string, limit int) (Changes, error)
	Cursor(ctx context.Context) (string, error)
	// ListSold returns the orders with lines of a seller that have been paid, newest first, those older than before (""
	// for all).
	ListSold(ctx context.Context, sellerID string, status Status, before ID, limit int) ([]*Order, error)
	// AnonymizeBuyer removes name, phone and street from all orders of a deleted account.
	AnonymizeBuyer(ctx context.Context, userID string) error
	// Fence reports whether an order exists; if not, it can never be created afterwards.
	Fence(ctx context.Context, id ID) (bool, error)
	// NextDue locks one order that is past its due time by grace and changes it; found is false when there is none.
	NextDue(ctx context.Context, grace time.Duration, change Mutation) (found bool, err error)
}

// Mutation changes an order, or refuses to.
type Mutation func(o *Order, now time.Time) ([]Event, error)

// Update is a requested change of an order.
type Update struct {
	ID     ID
	Change Mutation
}

// Service has the use cases of orders.
type Service struct {
	store          Store
	keys           keyed.Runner
	paymentTimeout func() time.Duration
	cancelGrace    func() time.Duration
}

// NewService makes the use cases. paymentTimeout is how long a shopper has to pay. An unpaid order is cancelled
// cancelGrace after that: no charge starts after the due time, and one that has begun has the grace to finish.
func NewService(store Store, keys keyed.Runner, timeout, grace func() time.Duration) *Service {
	return &Service{store: store, keys: keys, paymentTimeout: timeout, cancelGrace: grace}
}

// Place creates the order of a checkout. It is idempotent by id; an id of another user's order is refused.
func (s *Service) Place(ctx context.Context, d Draft) (*Order, error) {
	o, err := s.store.Create(ctx, d.ID, d.MaxOpen, func(now time.Time) (*Order, []Event, error) {
		return Place(d, now, now.Add(s.paymentTimeout()))
	})
	if tooMany, ok := errors.AsType[TooManyOpenError](err); ok {
		return nil, tooMany.refuse(s.cancelGrace())
	}
	if err != nil {
		return nil, err
	}
	if o.state.UserID != d.UserID {
		return nil, problem.New(problem.Conflict, "order_id_taken", "This order id belongs to another order.")
	}
	return o, nil
}

// Fence is asked by product about an expired hold, and by checkout before it refuses a checkout that may have had
// another run: see Store.Fence.
func (s *Service) Fence(ctx context.Context, id ID) (bool, error) { return s.store.Fence(ctx, id) }

// Find returns an order without checking its owner: for peers.
func (s *Service) Find(ctx context.Context, id ID) (*Order, error) { return s.store.Find(ctx, id) }

// Viewer is the user who reads an order.
type Viewer struct {
	UserID string
	Admin  bool
}

// Show returns an order to its owner or an admin; for others it does not exist.
func (s *Service) Show(ctx context.Context, id ID, v Viewer) (*Order, error) {
	o, err := s.store.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	if o.state.UserID != v.UserID && !v.Admin {
		return nil, problem.NewNotFound("order")
	}
	return o, nil
}

// List returns a user's orders, newest first.
func (s *Service) List(ctx context.Context, userID string, status Status, before ID, limit int) ([]*Order, error) {
	return s.store.List(ctx, userID, status, before, limit)
}

// changeOwn changes a user's own order. Another user's order is refused like a missing one.
func (s *Service) changeOwn(ctx context.Context, id ID, userID string, change Mutation) (*Order, error) {
	changed, err := s.store.Update(ctx, Update{id, func(o *Order, now time.Time) ([]Event, error) {
		if o.state.UserID != userID {
			return nil, problem.NewNotFound("order")
		}
		return change(o, now)
	}})
	if err != nil {
		return nil, err
	}
	return changed[0], nil
}

// CancelOnce is Cancel for the user of a key, once per key.
func (s *Service) CancelOnce(ctx context.Context, key keyed.Request, id ID,
	encode func(*Order) (keyed.Answer, error)) (keyed.Answer, error) {
	return s.keys.Do(ctx, key, keyed.Once(func(ctx context.Context, run keyed.Run) (*Order, error) {
		return s.Cancel(ctx, id, run.User, run.EffectID)
	}, encode))
}

// Cancel cancels for the shopper; effectID identifies the request and its repetitions.
func (s *Service) Cancel(ctx context.Context, id ID, userID, effectID string) (*Order, error) {
	return s.changeOwn(ctx, id, userID, func(o *Order, now time.Time) ([]Event, error) {
		return o.Cancel(ByShopper, effectID, now)
	})
}

// CancelForOperator cancels an unpaid order of any shopper; effectID identifies the request and its repetitions.
func (s *Service) CancelForOperator(ctx context.Context, id ID, effectID string) (*Order, error) {
	changed, err := s.store.Update(ctx, Update{id, func(o *Order, now time.Time) ([]Event, error) {
		return o.Cancel(ByOperator, effectID, now)
	}})
	if err != nil {
		return nil, err
	}
	return changed[0], nil
}

// ChangeAddress changes where the user's own order is sent.
func (s *Service) ChangeAddress(ctx context.Context, id ID, userID string, a Address) (*Order, error) {
	return s.changeOwn(ctx, id, userID, func(o *Order, now time.Time) ([]Event, error) {
		return nil,
			o.ChangeAddress(a, now)
	})
}

// PaymentReceived is a successful payment of an order.
type PaymentReceived struct {
	OrderID ID
	Payment Payment
}

// ApplyPayments handles payment.succeeded.
func (s *Service) ApplyPayments(ctx context.Context, received ...PaymentReceived) error {
	updates := make([]Update, len(received))
	for i, r := range received {
		updates[i] = Update{r.OrderID, func(o *Order, now time.Time) ([]Event, error) {
			return o.ApplyPayment(r.Payment, now), nil
		}}
	}
	_, err := s.store.Update(ctx, updates...)
	return err
}

// MarkRefunded handles payment.refunded.
func (s *Service) MarkRefunded(ctx context.Context, id ID, paymentID string) error {
	// Reading before the order is locked is safe: the request for this refund committed long before its event arrived.
	requested, err := s.store.RefundRequests(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, Update{id, func(o *Order, now time.Time) ([]Event, error) {
		o.MarkRefunded(paymentID, requested, now)
		return nil, nil
	}})
	return err
}

// CancelOutOfStock handles stock.rejected.
func (s *Service) CancelOutOfStock(ctx context.Context, id ID) error {
	_, err := s.store.Update(ctx, Update{id, func(o *Order, now time.Time) ([]Event, error) {
		return o.CancelOutOfStock(now), nil
	}})
	return err
}

// CancelDue cancels every order whose time to pay has passed and returns their number.
func (s *Service) CancelDue(ctx context.Context) (int, error) {
	for n := 0; ; n++ {
		found, err := s.store.NextDue(ctx, s.cancelGrace(), func(o *Order, now time.Time) ([]Event, error) {
			return o.Cancel(PaymentTimeout, "", now)
		})
		if err != nil || !found {
			return n, err
		}
	}
}

// AnonymizeBuyer removes the buyer's identity from the orders of a deleted account. What the law requires stays: what
// was bought, for how much, and where it was taxed.
func (s *Service) AnonymizeBuyer(ctx context.Context, userID string) error {
	return s.store.AnonymizeBuyer(ctx, userID)
}

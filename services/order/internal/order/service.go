package order

import (
	"context"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Store keeps orders. State and events commit together; now is the database's clock, so that replicas agree on deadlines.
type Store interface {
	// Create keeps what build makes, unless the id has an order already (which is returned) or was fenced (checkout_expired).
	Create(ctx context.Context, id ID, build func(now time.Time) (*Order, []Event, error)) (*Order, error)
	// Update changes orders under their locks, all or none, wish after wish, and gives for each wish its order. An unknown id is
	// NotFound.
	Update(ctx context.Context, wishes ...Update) ([]*Order, error)
	Find(ctx context.Context, id ID) (*Order, error)
	// RefundRequests gives the payments that were asked back for an order, oldest first.
	RefundRequests(ctx context.Context, id ID) ([]RefundRequest, error)
	// List gives a user's orders, newest first, those older than before ("" for all).
	List(ctx context.Context, userID string, status Status, before ID, limit int) ([]*Order, error)
	// AnonymizeBuyer takes name, phone and street out of all orders of an account that is gone.
	AnonymizeBuyer(ctx context.Context, userID string) error
	// Fence says whether an order exists; if not, it never will.
	Fence(ctx context.Context, id ID) (bool, error)
	// NextDue locks one order that is past its due time by grace and changes it; found is false when there is none.
	NextDue(ctx context.Context, grace time.Duration, change Mutation) (found bool, err error)
}

// Mutation changes an order, or refuses to.
type Mutation func(o *Order, now time.Time) ([]Event, error)

// Update is what is wanted of an order.
type Update struct {
	ID     ID
	Change Mutation
}

// Service is what can be done with orders.
type Service struct {
	store   Store
	timeout func() time.Duration
	grace   func() time.Duration
}

// NewService needs a store and how long a shopper has to pay (it may change while running). Orders are cancelled grace after
// they were due: no charge starts after the due time, and one under way gets the time to end.
func NewService(store Store, timeout, grace func() time.Duration) *Service {
	return &Service{store: store, timeout: timeout, grace: grace}
}

// Place creates the order of a checkout. Idempotent by id; another user's id is refused.
func (s *Service) Place(ctx context.Context, d Draft) (*Order, error) {
	o, err := s.store.Create(ctx, d.ID, func(now time.Time) (*Order, []Event, error) {
		return Place(d, now, now.Add(s.timeout()))
	})
	if err != nil {
		return nil, err
	}
	if o.s.UserID != d.UserID {
		return nil, problem.New(problem.Conflict, "order_id_taken", "This order id belongs to another order.")
	}
	return o, nil
}

// Fence answers for the hold of a checkout that has not become an order: see Store.Fence.
func (s *Service) Fence(ctx context.Context, id ID) (bool, error) { return s.store.Fence(ctx, id) }

// Find gives an order whoever asks: for peers.
func (s *Service) Find(ctx context.Context, id ID) (*Order, error) { return s.store.Find(ctx, id) }

// Viewer is who looks at an order.
type Viewer struct {
	UserID string
	Admin  bool
}

// Show gives an order to its owner or an admin; to others it does not exist.
func (s *Service) Show(ctx context.Context, id ID, v Viewer) (*Order, error) {
	o, err := s.store.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	if o.s.UserID != v.UserID && !v.Admin {
		return nil, problem.NewNotFound("order")
	}
	return o, nil
}

// List gives a user's orders, newest first.
func (s *Service) List(ctx context.Context, userID string, status Status, before ID, limit int) ([]*Order, error) {
	return s.store.List(ctx, userID, status, before, limit)
}

// own changes a user's own order; somebody else's looks like a missing one.
func (s *Service) own(ctx context.Context, id ID, userID string, change Mutation) (*Order, error) {
	changed, err := s.store.Update(ctx, Update{id, func(o *Order, now time.Time) ([]Event, error) {
		if o.s.UserID != userID {
			return nil, problem.NewNotFound("order")
		}
		return change(o, now)
	}})
	if err != nil {
		return nil, err
	}
	return changed[0], nil
}

// Cancel is the shopper's wish; request is the effect id that makes its repeat recognisable.
func (s *Service) Cancel(ctx context.Context, id ID, userID, request string) (*Order, error) {
	return s.own(ctx, id, userID, func(o *Order, now time.Time) ([]Event, error) { return o.Cancel(ByShopper, request, now) })
}

// ChangeAddress sends the user's own order elsewhere.
func (s *Service) ChangeAddress(ctx context.Context, id ID, userID string, a Address) (*Order, error) {
	return s.own(ctx, id, userID, func(o *Order, now time.Time) ([]Event, error) { return nil, o.ChangeAddress(a, now) })
}

// PaymentReceived is money that arrived for an order.
type PaymentReceived struct {
	ID      ID
	Payment Payment
}

// ApplyPayments follows payment.succeeded.
func (s *Service) ApplyPayments(ctx context.Context, arrived ...PaymentReceived) error {
	wishes := make([]Update, len(arrived))
	for i, a := range arrived {
		wishes[i] = Update{a.ID, func(o *Order, now time.Time) ([]Event, error) { return o.ApplyPayment(a.Payment, now), nil }}
	}
	_, err := s.store.Update(ctx, wishes...)
	return err
}

// MarkRefunded follows payment.refunded.
func (s *Service) MarkRefunded(ctx context.Context, id ID, paymentID string) error {
	// Read before the lock: what is told here was asked for, and that committed, long before.
	asked, err := s.store.RefundRequests(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, Update{id, func(o *Order, now time.Time) ([]Event, error) {
		o.MarkRefunded(paymentID, asked, now)
		return nil, nil
	}})
	return err
}

// CancelOutOfStock follows stock.rejected.
func (s *Service) CancelOutOfStock(ctx context.Context, id ID) error {
	_, err := s.store.Update(ctx, Update{id, func(o *Order, now time.Time) ([]Event, error) { return o.CancelOutOfStock(now), nil }})
	return err
}

// CancelDue cancels every order whose time to pay has passed and gives their number.
func (s *Service) CancelDue(ctx context.Context) (int, error) {
	for n := 0; ; n++ {
		found, err := s.store.NextDue(ctx, s.grace(), func(o *Order, now time.Time) ([]Event, error) { return o.Cancel(PaymentTimeout, "", now) })
		if err != nil || !found {
			return n, err
		}
	}
}

// AnonymizeBuyer takes who it was out of the orders of an account that is gone. What the law wants kept stays: what was bought, for how
// much, and where it was taxed.
func (s *Service) AnonymizeBuyer(ctx context.Context, userID string) error {
	return s.store.AnonymizeBuyer(ctx, userID)
}

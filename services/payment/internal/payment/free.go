package payment

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"daprmall.dev/services/kit/problem"
)

// NoProvider is the provider of payments of bills of 0: an order that costs nothing is paid when its bill opens,
// without a card and without asking anybody.
const NoProvider = "none"

// IsFree reports whether there is nothing to pay.
func (b Bill) IsFree() bool { return b.Amount == 0 }

// freePaymentBit is set in the ids of payments of nothing. Snowflakes do not have it before 2045.
const freePaymentBit = 1 << 62

// FreePayment returns the settled payment of a free bill. Its id depends on the order alone: if the database was
// restored and the bill opens again, order recognises the payment.
func (b Bill) FreePayment(at time.Time) (Payment, error) {
	id, err := strconv.ParseInt(b.OrderID, 10, 64)
	if err != nil {
		return Payment{}, fmt.Errorf("order id %q: %w", b.OrderID, err)
	}
	return Payment{ID: strconv.FormatInt(id^freePaymentBit, 10), OrderID: b.OrderID, UserID: b.UserID,
		Provider: NoProvider, Amount: b.Amount, Currency: b.Currency, Status: Succeeded, CreatedAt: at, UpdatedAt: at}, nil
}

// needsNoCard returns the refusal of a payment without a card, if its order costs nothing; nil if it costs something.
func (s *Service) needsNoCard(ctx context.Context, userID, orderID string) error {
	b, err := s.store.FindBill(ctx, orderID)
	if errors.Is(err, ErrNoBill) {
		if err := s.OpenBill(ctx, userID, orderID); err != nil {
			return nil //nolint:nilerr // then the missing card is what is wrong with the request
		}
		b, err = s.store.FindBill(ctx, orderID)
	}
	switch {
	case err != nil:
		return err
	case b.UserID != userID || !b.IsFree():
		return nil
	}
	return b.CanStart(s.now(), false)
}

// noProvider gives back nothing for nothing. New attempts never use it.
type noProvider struct{}

var _ Provider = noProvider{}

var errNoProvider = problem.New(problem.Internal, "", "There is nothing to charge.")

func (noProvider) Name() string        { return NoProvider }
func (noProvider) Charges(string) bool { return true }
func (noProvider) HostsCards() bool    { return false }

func (noProvider) Create(context.Context, string, int64, string) (string, error) {
	return "", errNoProvider
}

func (noProvider) Confirm(context.Context, string, Card) (Outcome, error) {
	return Outcome{}, errNoProvider
}

func (noProvider) Get(context.Context, string) (Outcome, error)    { return Outcome{}, errNoProvider }
func (noProvider) Cancel(context.Context, string) (Outcome, error) { return Outcome{}, errNoProvider }

func (noProvider) Refund(_ context.Context, _, ref string, amount int64) (Refund, error) {
	if amount != 0 {
		return Refund{}, fmt.Errorf("payment %s of %d has no provider", ref, amount)
	}
	return Refund{ID: ref, State: RefundSucceeded}, nil
}

func (noProvider) GetRefund(_ context.Context, _, refundID string) (Refund, error) {
	return Refund{ID: refundID, State: RefundSucceeded}, nil
}

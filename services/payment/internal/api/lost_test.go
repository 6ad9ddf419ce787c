package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/store"
)

// losesAnswers is a store whose connection breaks after each commit of a single statement: a repetition of the
// statement finds that everything was done, and does nothing.
type losesAnswers struct{ *store.Store }

func (s losesAnswers) StartNew(ctx context.Context, p payment.Payment, run keyed.Run) (*payment.Payment, error) {
	if _, err := s.Store.StartNew(ctx, p, run); err != nil {
		return nil, err
	}
	return s.Store.StartNew(ctx, p, run)
}

func (s losesAnswers) SettleNew(ctx context.Context, p payment.Payment, run keyed.Run, a keyed.Answer) (bool, error) {
	if _, err := s.Store.SettleNew(ctx, p, run, a); err != nil {
		return false, err
	}
	return s.Store.SettleNew(ctx, p, run, a)
}

// A payment whose statements committed and were repeated, because their answers got lost, succeeds once.
func TestAPaymentSurvivesLostAnswersOfItsStatements(t *testing.T) {
	s := openServiceOn(t, func(s *store.Store) payment.Store { return losesAnswers{s} })
	s.placed("100")
	answer, _, _ := s.pay("k1", "100", "4242424242424242")
	if answer.Code != http.StatusCreated || !strings.Contains(answer.Body.String(), `"status":"succeeded"`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	again, _, bank := s.pay("k1", "100", "4242424242424242")
	if again.Code != answer.Code || again.Body.String() != answer.Body.String() || bank > 0 {
		t.Errorf("again: %d %s", again.Code, again.Body)
	}
	var events int
	if err := s.db.Raw("SELECT count(*) FROM outbox").Scan(&events).Error; err != nil || events != 1 {
		t.Errorf("%d events, %v; want one success", events, err)
	}
}

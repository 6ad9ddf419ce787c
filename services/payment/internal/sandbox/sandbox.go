// Package sandbox is a payment provider for trials: its own database, outcomes by card number.
package sandbox

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/payment/internal/payment"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the provider's table.
var Migrations = postgres.Migrations{Name: "sandbox", FS: files}

// Cards with a special outcome; every other one is approved.
const (
	Declines   = "4000000000000002"
	NoFunds    = "4000000000009995"
	Unanswered = "4000000000000259" // captured, but the answer is lost
	Slow       = "4000000000000341" // captured after five seconds
	// The bank of these challenges the shopper (3-D Secure); Answer answers it.
	Challenges     = "4000002500003155"
	ChallengesEach = "4000002760003184"
)

const slowFor = 5 * time.Second

// Provider implements payment.Provider.
type Provider struct{ db *gorm.DB }

// New makes a provider on its own database.
func New(db *gorm.DB) *Provider { return &Provider{db} }

// Name identifies the provider in attempts.
func (*Provider) Name() string { return "sandbox" }

// Charges implements payment.Provider: the sandbox takes everything.
func (*Provider) Charges(string) bool { return true }

// HostsCards implements payment.Provider.
func (*Provider) HostsCards() bool { return false }

// Create implements payment.Provider.
func (p *Provider) Create(ctx context.Context, ref string, amount int64, currency string) (string, error) {
	id := "sbx_" + ref
	_, err := postgres.Exec(ctx, p.db,
		"INSERT INTO charges (id, ref, amount, currency, state) VALUES (?, ?, ?, ?, 'created') ON CONFLICT (ref) DO NOTHING",
		id, ref, amount, currency)
	return id, err
}

// Confirm implements payment.Provider.
func (p *Provider) Confirm(ctx context.Context, id string, card payment.Card) (payment.Outcome, error) {
	set, args := "state = 'succeeded', captured = amount", []any{}
	switch card.Number {
	case Declines:
		set, args = "state = 'failed', failure_code = ?", []any{payment.CardDeclined}
	case NoFunds:
		set, args = "state = 'failed', failure_code = ?", []any{payment.InsufficientFunds}
	case Challenges, ChallengesEach:
		set = "state = 'requires_action'"
	case Slow:
		set, args = "state = 'processing', ready_at = now() + make_interval(secs => ?)", []any{slowFor.Seconds()}
	}
	now, confirmed, err := postgres.One(ctx, p.db, func(s *state) []any { return []any{&s.Ref, &s.State, &s.FailureCode} },
		"UPDATE charges SET "+set+" WHERE id = ? AND state = 'created' RETURNING ref, state, failure_code",
		append(args, id)...)
	if err != nil {
		return payment.Outcome{}, err
	}
	switch card.Number {
	case Unanswered:
		return payment.Outcome{}, errors.New("connection reset by the provider")
	case Slow:
		select {
		case <-ctx.Done():
			return payment.Outcome{}, ctx.Err()
		case <-time.After(slowFor):
		}
		return p.Get(ctx, id)
	}
	if !confirmed { // it was confirmed or cancelled before
		return p.Get(ctx, id)
	}
	return now.outcome(), nil
}

// state is the row of a charge.
type state struct{ Ref, State, FailureCode string }

func (s state) outcome() payment.Outcome {
	o := payment.Outcome{State: payment.State(s.State), FailureCode: s.FailureCode}
	if o.State == payment.StateRequiresAction {
		o.NextAction = &payment.NextAction{Type: payment.ActionSandbox,
			RedirectURL: "/v1/sandbox/payments/" + s.Ref + "/confirm"}
	}
	return o
}

// AnswerChallenge implements payment.Challenged.
func (p *Provider) AnswerChallenge(ctx context.Context, id string, approve bool) error {
	set, args := "state = 'succeeded', captured = amount", []any{id}
	if !approve {
		set, args = "state = 'failed', failure_code = ?", []any{payment.AuthenticationFailed, id}
	}
	return p.db.WithContext(ctx).Exec("UPDATE charges SET "+set+" WHERE id = ? AND state = 'requires_action'",
		args...).Error
}

// Get implements payment.Provider. A slow charge whose time has come is captured now.
func (p *Provider) Get(ctx context.Context, id string) (payment.Outcome, error) {
	db := p.db.WithContext(ctx)
	if err := db.Exec("UPDATE charges SET state = 'succeeded', captured = amount WHERE id = ? AND state = 'processing' "+
		"AND ready_at <= now()", id).Error; err != nil {
		return payment.Outcome{}, err
	}
	return p.read(db, id)
}

func (p *Provider) read(db *gorm.DB, id string) (payment.Outcome, error) {
	var r state
	res := db.Raw("SELECT ref, state, failure_code FROM charges WHERE id = ?", id).Scan(&r)
	if res.Error == nil && res.RowsAffected == 0 {
		return payment.Outcome{}, fmt.Errorf("no charge %s", id)
	}
	return r.outcome(), res.Error
}

// Cancel implements payment.Provider.
func (p *Provider) Cancel(ctx context.Context, id string) (payment.Outcome, error) {
	if _, err := p.Get(ctx, id); err != nil {
		return payment.Outcome{}, err
	}
	db := p.db.WithContext(ctx)
	if err := db.Exec("UPDATE charges SET state = 'cancelled' WHERE id = ? AND state IN ('created', 'processing', "+
		"'requires_action')", id).Error; err != nil {
		return payment.Outcome{}, err
	}
	return p.read(db, id)
}

// Refund implements payment.Provider.
func (p *Provider) Refund(ctx context.Context, id, _ string, amount int64) (payment.Refund, error) {
	// The condition makes a repetition harmless: a charge is refunded whole, once.
	res := p.db.WithContext(ctx).Exec("UPDATE charges SET refunded = ? WHERE id = ? AND captured = ? AND refunded = 0",
		amount, id, amount)
	if res.Error != nil {
		return payment.Refund{}, res.Error
	}
	r, err := p.GetRefund(ctx, id, "")
	if err == nil && r.State != payment.RefundSucceeded {
		err = fmt.Errorf("charge %s has not captured %d", id, amount)
	}
	return r, err
}

// GetRefund implements payment.Provider.
func (p *Provider) GetRefund(ctx context.Context, id, _ string) (payment.Refund, error) {
	var c struct{ Captured, Refunded int64 }
	if err := p.db.WithContext(ctx).Raw("SELECT captured, refunded FROM charges WHERE id = ?",
		id).Scan(&c).Error; err != nil {
		return payment.Refund{}, err
	}
	r := payment.Refund{ID: "refund_of_" + id, State: payment.RefundFailed}
	if c.Captured > 0 && c.Refunded == c.Captured {
		r.State = payment.RefundSucceeded
	}
	return r, nil
}

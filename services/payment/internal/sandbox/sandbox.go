// Package sandbox is a payment provider for trying out: its own database, outcomes by card number.
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

// The cards that mean something; every other one is approved.
const (
	Declines   = "4000000000000002"
	NoFunds    = "4000000000009995"
	Unanswered = "4000000000000259" // captured, but the answer is lost
	Slow       = "4000000000000341" // captured after five seconds
)

const slowFor = 5 * time.Second

// Provider is payment.Provider.
type Provider struct{ db *gorm.DB }

// New makes a provider on its own database.
func New(db *gorm.DB) *Provider { return &Provider{db} }

// Name is how attempts remember it.
func (*Provider) Name() string { return "sandbox" }

// Create is described at payment.Provider.
func (p *Provider) Create(ctx context.Context, ref string, amount int64, currency string) (string, error) {
	id := "sbx_" + ref
	err := p.db.WithContext(ctx).Exec("INSERT INTO charges (id, ref, amount, currency, state) VALUES (?, ?, ?, ?, 'created') ON CONFLICT (ref) DO NOTHING",
		id, ref, amount, currency).Error
	return id, err
}

// Confirm is described at payment.Provider.
func (p *Provider) Confirm(ctx context.Context, id string, card payment.Card) (payment.Outcome, error) {
	set, args := "state = 'succeeded', captured = amount", []any{}
	switch card.Number {
	case Declines:
		set, args = "state = 'failed', failure_code = ?", []any{payment.CardDeclined}
	case NoFunds:
		set, args = "state = 'failed', failure_code = ?", []any{payment.InsufficientFunds}
	case Slow:
		set, args = "state = 'processing', ready_at = now() + make_interval(secs => ?)", []any{slowFor.Seconds()}
	}
	var now state
	res := p.db.WithContext(ctx).Raw("UPDATE charges SET "+set+" WHERE id = ? AND state = 'created' RETURNING state, failure_code", append(args, id)...).Scan(&now)
	if res.Error != nil {
		return payment.Outcome{}, res.Error
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
	if res.RowsAffected == 0 { // it was confirmed or cancelled before
		return p.Get(ctx, id)
	}
	return now.outcome(), nil
}

// state is what is known of a charge.
type state struct{ State, FailureCode string }

func (s state) outcome() payment.Outcome {
	return payment.Outcome{State: payment.State(s.State), FailureCode: s.FailureCode}
}

// Get is described at payment.Provider. A slow charge whose time has come is captured now.
func (p *Provider) Get(ctx context.Context, id string) (payment.Outcome, error) {
	db := p.db.WithContext(ctx)
	if err := db.Exec("UPDATE charges SET state = 'succeeded', captured = amount WHERE id = ? AND state = 'processing' AND ready_at <= now()", id).Error; err != nil {
		return payment.Outcome{}, err
	}
	return p.read(db, id)
}

func (p *Provider) read(db *gorm.DB, id string) (payment.Outcome, error) {
	var r state
	res := db.Raw("SELECT state, failure_code FROM charges WHERE id = ?", id).Scan(&r)
	if res.Error == nil && res.RowsAffected == 0 {
		return payment.Outcome{}, fmt.Errorf("no charge %s", id)
	}
	return r.outcome(), res.Error
}

// Cancel is described at payment.Provider.
func (p *Provider) Cancel(ctx context.Context, id string) (payment.Outcome, error) {
	if _, err := p.Get(ctx, id); err != nil {
		return payment.Outcome{}, err
	}
	db := p.db.WithContext(ctx)
	if err := db.Exec("UPDATE charges SET state = 'cancelled' WHERE id = ? AND state IN ('created', 'processing')", id).Error; err != nil {
		return payment.Outcome{}, err
	}
	return p.read(db, id)
}

// Refund is described at payment.Provider.
func (p *Provider) Refund(ctx context.Context, id, _ string, amount int64) error {
	db := p.db.WithContext(ctx)
	// The condition makes a repeat harmless: a charge is refunded whole, once.
	res := db.Exec("UPDATE charges SET refunded = ? WHERE id = ? AND captured = ? AND refunded = 0", amount, id, amount)
	if res.Error != nil || res.RowsAffected == 1 {
		return res.Error
	}
	var refunded int64
	if err := db.Raw("SELECT refunded FROM charges WHERE id = ?", id).Scan(&refunded).Error; err != nil {
		return err
	}
	if refunded != amount {
		return fmt.Errorf("charge %s has not captured %d", id, amount)
	}
	return nil
}

package store

import (
	"encoding/json"
	"fmt"
	"time"

	"daprmall.dev/services/payment/internal/payment"
)

// paymentRow is the row of an attempt. RequiresAction is stored as 'processing' with a next action.
type paymentRow struct {
	ID          string `gorm:"primaryKey"`
	OrderID     string
	UserID      string
	Provider    string
	ProviderID  string
	Amount      int64
	Currency    string
	Status      payment.Status
	CardBrand   string
	CardLast4   string
	NextAction  *string
	FailureCode string
	CreatedAt   time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt   time.Time `gorm:"autoUpdateTime:false"`
}

func (paymentRow) TableName() string { return "payments" }

func toPaymentRow(p payment.Payment) (paymentRow, error) {
	status, action, err := statusColumns(p)
	return paymentRow{p.ID, p.OrderID, p.UserID, p.Provider, p.ProviderID, p.Amount, p.Currency, status, p.Card.Brand,
		p.Card.Last4, action, p.FailureCode,
		p.CreatedAt, p.UpdatedAt}, err
}

// statusColumns returns the columns status and next_action.
func statusColumns(p payment.Payment) (payment.Status, *string, error) {
	if p.Status != payment.RequiresAction {
		return p.Status, nil, nil
	}
	text, err := json.Marshal(p.NextAction)
	if err != nil {
		return "", nil, fmt.Errorf("write next action: %w", err)
	}
	action := string(text)
	return payment.Processing, &action, nil
}

func (r paymentRow) payment() (*payment.Payment, error) {
	p := &payment.Payment{ID: r.ID, OrderID: r.OrderID, UserID: r.UserID, Provider: r.Provider, ProviderID: r.ProviderID,
		Amount: r.Amount, Currency: r.Currency,
		Status: r.Status, Card: payment.CardSummary{Brand: r.CardBrand, Last4: r.CardLast4}, FailureCode: r.FailureCode,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC()}
	if r.Status == payment.Processing && r.NextAction != nil {
		p.Status = payment.RequiresAction
		if err := json.Unmarshal([]byte(*r.NextAction), &p.NextAction); err != nil {
			return nil, fmt.Errorf("read next action of payment %s: %w", r.ID, err)
		}
	}
	return p, nil
}

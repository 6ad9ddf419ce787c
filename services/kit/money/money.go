// Package money holds amounts as integer minor units of one currency (ISO 4217) and
// refuses arithmetic that would overflow or mix currencies.
package money

import (
	"errors"
	"math"
	"math/bits"
)

// ErrOverflow says that a sum or product does not fit.
var ErrOverflow = errors.New("money: amount out of range")

// ErrCurrency says that two amounts have different currencies.
var ErrCurrency = errors.New("money: currencies differ")

// Money is an amount in minor units (cents, fen) of a currency.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Of makes an amount.
func Of(amount int64, currency string) Money { return Money{Amount: amount, Currency: currency} }

// Add returns m + o.
func (m Money) Add(o Money) (Money, error) {
	if m.Currency != o.Currency {
		return Money{}, ErrCurrency
	}
	sum := m.Amount + o.Amount
	if (sum > m.Amount) != (o.Amount > 0) && o.Amount != 0 {
		return Money{}, ErrOverflow
	}
	return Of(sum, m.Currency), nil
}

// Times returns m × n for n ≥ 0 and m ≥ 0.
func (m Money) Times(n int64) (Money, error) {
	if n < 0 || m.Amount < 0 {
		return Money{}, ErrOverflow
	}
	hi, lo := bits.Mul64(uint64(m.Amount), uint64(n))
	if hi != 0 || lo > math.MaxInt64 {
		return Money{}, ErrOverflow
	}
	return Of(int64(lo), m.Currency), nil
}

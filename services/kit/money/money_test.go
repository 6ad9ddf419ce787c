package money

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// Arithmetic agrees with arbitrary precision or returns an error; it never overflows silently.
func TestArithmeticNeverOverflows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		sum, err := Of(a, "CNY").Add(Of(b, "CNY"))
		want := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		if want.IsInt64() != (err == nil) || (err == nil && sum.Amount != want.Int64()) {
			t.Fatalf("%d + %d = %v, %v; want %s", a, b, sum, err, want)
		}
		a, b = a&math.MaxInt64, b&math.MaxInt64
		product, err := Of(a, "CNY").Times(b)
		want = new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		if want.IsInt64() != (err == nil) || (err == nil && product.Amount != want.Int64()) {
			t.Fatalf("%d × %d = %v, %v; want %s", a, b, product, err, want)
		}
	})
}

func TestCurrenciesDoNotMix(t *testing.T) {
	if _, err := Of(1, "CNY").Add(Of(1, "EUR")); !errors.Is(err, ErrCurrency) {
		t.Errorf("CNY + EUR: %v, want ErrCurrency", err)
	}
}

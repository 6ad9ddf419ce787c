package money

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text, currency string
		want           int64
		err            error
	}{
		{"9.99", "CNY", 999, nil}, {"9.9", "CNY", 990, nil}, {"9", "CNY", 900, nil}, {"0.01", "USD", 1, nil},
		{"0", "CNY", 0, nil}, {"50", "JPY", 50, nil}, {"1.234", "KWD", 1234, nil}, {"007.50", "CNY", 750, nil},
		{"50.0", "JPY", 0, ErrDecimal}, {"9.999", "CNY", 0, ErrDecimal}, {"", "CNY", 0, ErrDecimal},
		{".5", "CNY", 0, ErrDecimal},
		{"5.", "CNY", 0, ErrDecimal}, {"-1", "CNY", 0, ErrDecimal}, {"+1", "CNY", 0, ErrDecimal},
		{"1,000", "CNY", 0, ErrDecimal},
		{"1e3", "CNY", 0, ErrDecimal}, {" 1", "CNY", 0, ErrDecimal}, {"1.2.3", "CNY", 0, ErrDecimal},
		{"99999999999999999999", "CNY", 0, ErrOverflow}, {"９", "CNY", 0, ErrDecimal},
	} {
		if got, err := ParseDecimal(c.text, c.currency); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q %s: %d, %v; want %d, %v", c.text, c.currency, got, err, c.want, c.err)
		}
	}
}

func TestDecimalIsParsedBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Of(rapid.Int64Range(0, 1<<60).Draw(t, "amount"), rapid.SampledFrom([]string{"CNY", "JPY", "KWD", "CLF"}).
			Draw(t, "currency"))
		if got, err := ParseDecimal(m.Decimal(), m.Currency); err != nil || got != m.Amount {
			t.Fatalf("%+v is written %q, which is read as %d, %v", m, m.Decimal(), got, err)
		}
	})
}

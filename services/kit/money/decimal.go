package money

import (
	"errors"
	"strconv"
	"strings"
)

// ErrDecimal says that a text is no amount, or has more decimals than the currency.
var ErrDecimal = errors.New("money: not a decimal amount of the currency")

// ParseDecimal reads an amount as people write it: "9.99" is 999 minor units of CNY, and "9" is 900. It refuses signs,
// spaces, exponents, separators of thousands, and more decimals than the currency has.
func ParseDecimal(s, currency string) (int64, error) {
	whole, fraction, point := strings.Cut(s, ".")
	exponent := Exponent(currency)
	if whole == "" || point && fraction == "" || len(fraction) > exponent ||
		strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, ErrDecimal
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", exponent-len(fraction)), 10, 64)
	if err != nil {
		return 0, ErrOverflow
	}
	return n, nil
}

// Decimal writes an amount as people do: 999 minor units of CNY are "9.99".
func (m Money) Decimal() string {
	exponent := Exponent(m.Currency)
	digits := strconv.FormatInt(m.Amount, 10)
	if exponent == 0 {
		return digits
	}
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if missing := exponent + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return sign + digits[:len(digits)-exponent] + "." + digits[len(digits)-exponent:]
}

package money

import (
	"errors"
	"strconv"
	"strings"
)

// ErrDecimal says that a text is no amount, or has more decimals than the currency.
var ErrDecimal = errors.New("money: not a decimal amount of the currency")

// Exponents of ISO 4217 other than 2.
var exponents = func() map[string]int {
	m := map[string]int{}
	for exponent, codes := range map[int]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
		3: "BHD IQD JOD KWD LYD OMR TND",
		4: "CLF UYW",
	} {
		for code := range strings.FieldsSeq(codes) {
			m[code] = exponent
		}
	}
	return m
}()

// Exponent returns the number of decimals of a currency by ISO 4217: 2 for CNY, because 1 CNY is 100 minor units.
func Exponent(currency string) int {
	if e, ok := exponents[currency]; ok {
		return e
	}
	return 2
}

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

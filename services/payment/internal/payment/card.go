package payment

import (
	"strings"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Card is what a shopper pays with. It is passed to the provider and not kept: only its CardSummary is.
type Card struct {
	Number   string
	ExpMonth int
	ExpYear  int
	CVC      string
}

// String keeps a card out of logs.
func (Card) String() string { return "card ****" }

// GoString keeps a card out of logs.
func (c Card) GoString() string { return c.String() }

// CardSummary is what may be kept and shown of a card.
type CardSummary struct {
	Brand string
	Last4 string
}

// Check rejects a card that no provider could accept: wrong shape, a number that fails the Luhn check (ISO/IEC 7812-1),
// or expired.
func (c Card) Check(now time.Time) error {
	var fields []problem.Field
	if !isDigits(c.Number, 12, 19) || !passesLuhn(c.Number) {
		fields = append(fields, problem.Field{Field: "card.number", Message: "is not a card number"})
	}
	if !isDigits(c.CVC, 3, 4) {
		fields = append(fields, problem.Field{Field: "card.cvc", Message: "must be 3 or 4 digits"})
	}
	month, year := c.ExpMonth >= 1 && c.ExpMonth <= 12, c.ExpYear >= 2000 && c.ExpYear <= 2100
	if !month {
		fields = append(fields, problem.Field{Field: "card.exp_month", Message: "must be from 1 to 12"})
	}
	if !year {
		fields = append(fields, problem.Field{Field: "card.exp_year", Message: "must be from 2000 to 2100"})
	}
	// A card is valid until the end of its month in the last time zone.
	if month && year && now.After(time.Date(c.ExpYear, time.Month(c.ExpMonth)+1, 1, 12, 0, 0, 0, time.UTC)) {
		fields = append(fields, problem.Field{Field: "card.exp_month", Message: "the card has expired"})
	}
	if len(fields) > 0 {
		return problem.Validation(fields...)
	}
	return nil
}

// Mask returns what may be kept.
func (c Card) Mask() CardSummary {
	return CardSummary{Brand: brandOf(c.Number), Last4: c.Number[len(c.Number)-4:]}
}

func isDigits(s string, lo, hi int) bool {
	return len(s) >= lo && len(s) <= hi && strings.Trim(s, "0123456789") == ""
}

func passesLuhn(number string) bool {
	sum := 0
	for i := range number {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// brandOf returns the card's network by its issuer identification number.
func brandOf(number string) string {
	for _, b := range []struct{ brand, from, to string }{
		{"visa", "4", "4"}, {"amex", "34", "34"}, {"amex", "37", "37"}, {"mastercard", "51", "55"},
		{"mastercard", "2221", "2720"},
		{"jcb", "3528", "3589"}, {"discover", "6011", "6011"}, {"discover", "65", "65"}, {"unionpay", "62", "62"},
	} {
		if p := number[:len(b.from)]; p >= b.from && p <= b.to {
			return b.brand
		}
	}
	return "unknown"
}

package money

import (
	"encoding/json"
	"errors"
	"strconv"
)

// Sent is an amount as a client sends it in JSON: a whole number of minor units, like 1299, or a text with decimals,
// like "12.99".
type Sent json.RawMessage

// ErrSent says that a value is neither.
var ErrSent = errors.New("money: neither a whole number nor a text")

// UnmarshalJSON takes any value; Read and In say what is wrong with it.
func (s *Sent) UnmarshalJSON(raw []byte) error {
	*s = append(Sent(nil), raw...)
	return nil
}

// Read returns the minor units, or the text beside 0 minor units; nil and "" if nothing was sent.
func (s *Sent) Read() (amount *int64, text string, err error) {
	if s == nil {
		return nil, "", nil
	}
	if n, err := strconv.ParseInt(string(*s), 10, 64); err == nil {
		return &n, "", nil
	}
	if json.Unmarshal(*s, &text) == nil && text != "" {
		return new(int64), text, nil
	}
	return nil, "", ErrSent
}

// In returns the minor units of an amount of a currency, nil if nothing was sent.
func (s *Sent) In(currency string) (*int64, error) {
	amount, text, err := s.Read()
	if err != nil || text == "" {
		return amount, err
	}
	n, err := ParseDecimal(text, currency)
	if err != nil {
		return nil, err
	}
	return &n, nil
}

package api

import (
	"encoding/json"
	"strconv"

	"daprmall.dev/services/kit/problem"
)

// price is a price as a seller sends it: a whole number of minor units, or a decimal text.
type price json.RawMessage

// UnmarshalJSON takes any value; read says what is wrong with it.
func (p *price) UnmarshalJSON(raw []byte) error {
	*p = append(price(nil), raw...)
	return nil
}

// read returns the minor units, or the text beside 0 minor units; nil and "" if there is no price.
func (p *price) read() (amount *int64, text string, err error) {
	if p == nil {
		return nil, "", nil
	}
	if n, err := strconv.ParseInt(string(*p), 10, 64); err == nil {
		return &n, "", nil
	}
	if json.Unmarshal(*p, &text) == nil && text != "" {
		return new(int64), text, nil
	}
	return nil, "", problem.Validation(problem.Field{Field: "price",
		Message: `must be a whole number of minor units, like 1299, or a text with decimals, like "12.99"`})
}

package api

import (
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
)

// readPrice returns the minor units, or the text beside 0 minor units; nil and "" if there is no price.
func readPrice(in *money.Sent) (amount *int64, text string, err error) {
	if amount, text, err = in.Read(); err != nil {
		err = problem.Validation(problem.Field{Field: "price",
			Message: `must be a whole number of minor units, like 1299, or a text with decimals, like "12.99"`})
	}
	return amount, text, err
}

// priceParam reads a price of a query, nil if it is not given: a whole number of minor units, or, with a point, an
// amount with decimals. A query cannot tell a number from a text, so without a point it is a number.
func priceParam(c *gin.Context, name, currency string) (*int64, error) {
	raw, given := c.GetQuery(name)
	if !given {
		return nil, nil
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if strings.Contains(raw, ".") {
		n, err = money.ParseDecimal(raw, currency)
	}
	if err != nil {
		message := "must be a whole number of minor units, like 1299"
		if money.Exponent(currency) > 0 {
			message += ", or an amount of " + currency + " with decimals, like " + money.Of(1299, currency).Decimal()
		}
		return nil, problem.Validation(problem.Field{Field: name, Message: message})
	}
	return &n, nil
}

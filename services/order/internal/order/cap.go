package order

import (
	"fmt"
	"time"

	"daprmall.dev/services/kit/problem"
)

// TooManyOpenError is the reason why an order was not created: the shopper has too many unpaid ones.
type TooManyOpenError struct {
	Open   int64     // how many there are
	Most   int64     // how many there may be
	Oldest time.Time // when the first of them is due
	Now    time.Time // by the database's clock
}

func (t TooManyOpenError) Error() string {
	return fmt.Sprintf("%d unpaid orders of at most %d", t.Open, t.Most)
}

// refuse makes the refusal of a checkout. An unpaid order ends grace after it is due.
func (t TooManyOpenError) refuse(grace time.Duration) error {
	until := t.Oldest.Add(grace)
	return problem.New(problem.Conflict, "too_many_open_orders",
		"You have %d unpaid orders, and %d are allowed. Pay or cancel one of them; otherwise the first ends at %s.",
		t.Open, t.Most, until.UTC().Format(time.RFC3339)).
		Limited(problem.Limit{Name: "checkout.max_open_orders", Most: t.Most, Used: t.Open, Until: until}).
		After(max(until.Sub(t.Now), time.Second))
}

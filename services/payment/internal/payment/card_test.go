package payment

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestImpossibleCardsAreRefused(t *testing.T) {
	good := Card{"4242424242424242", 12, 2030, "123"}
	change := func(f func(*Card)) Card { c := good; f(&c); return c }
	tests := map[string]struct {
		card Card
		want problem.Kind
	}{
		"good":              {good, ""},
		"amex, four digits": {Card{"378282246310005", 1, 2027, "1234"}, ""},
		"this month":        {change(func(c *Card) { c.ExpMonth, c.ExpYear = 11, 2026 }), ""},
		"last month":        {change(func(c *Card) { c.ExpMonth, c.ExpYear = 10, 2026 }), problem.Invalid},
		"Luhn":              {change(func(c *Card) { c.Number = "4242424242424241" }), problem.Invalid},
		"letters":           {change(func(c *Card) { c.Number = "4242abcd42424242" }), problem.Invalid},
		"non-ASCII digits":  {change(func(c *Card) { c.Number = "４２４２424242424242" }), problem.Invalid},
		"too short":         {change(func(c *Card) { c.Number = "0" }), problem.Invalid},
		"empty":             {change(func(c *Card) { c.Number = "" }), problem.Invalid},
		"month 13":          {change(func(c *Card) { c.ExpMonth = 13 }), problem.Invalid},
		"cvc":               {change(func(c *Card) { c.CVC = "12" }), problem.Invalid},
	}
	for name, tt := range tests {
		if err := tt.card.Check(noon); problem.KindOf(err) != tt.want {
			t.Errorf("%s: %v, want kind %q", name, err, tt.want)
		}
	}
}

// A mistyped date must not be reported as an expired card.
func TestTheErrorForACardNamesTheWrongField(t *testing.T) {
	for name, tt := range map[string]struct {
		month, year int
		want        problem.Field
	}{
		"month 13":   {13, 2030, problem.Field{Field: "card.exp_month", Message: "must be from 1 to 12"}},
		"two digits": {12, 30, problem.Field{Field: "card.exp_year", Message: "must be from 2000 to 2100"}},
		"last month": {10, 2026, problem.Field{Field: "card.exp_month", Message: "the card has expired"}},
	} {
		var refused *problem.Error
		if err := (Card{"4242424242424242", tt.month, tt.year, "123"}).Check(noon); !errors.As(err, &refused) ||
			!slices.Equal(refused.Fields, []problem.Field{tt.want}) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestCardsNeverShowTheirNumber(t *testing.T) {
	c := Card{"4242424242424242", 12, 2030, "987"}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%v", &c)} {
		if s != "card ****" {
			t.Errorf("printed as %q", s)
		}
	}
	if got := c.Mask(); got != (CardSummary{"visa", "4242"}) {
		t.Errorf("masked as %v", got)
	}
}

func TestOnlyAnOpenAttemptCanBeSettled(t *testing.T) {
	for _, s := range []Status{Succeeded, Failed, Cancelled, Refunded} {
		p := Payment{Status: s}
		if p.Settle(Outcome{State: StateSucceeded}, noon) || p.Status != s {
			t.Errorf("%s became %s", s, p.Status)
		}
	}
	for state, want := range map[State]Status{"": Processing, StateCreated: Processing, StateProcessing: Processing,
		StateRequiresAction: RequiresAction,
		StateSucceeded:      Succeeded, StateFailed: Failed, StateCancelled: Cancelled} {
		p := Payment{Status: Processing}
		p.Settle(Outcome{State: state, NextAction: &NextAction{Type: ActionStripeSDK}}, noon)
		if p.Status != want || (p.NextAction != nil) != (want == RequiresAction) {
			t.Errorf("outcome %s: %s, want %s", state, p.Status, want)
		}
	}
	for state, want := range map[State]Status{"": RequiresAction, StateCreated: RequiresAction,
		StateProcessing: Processing, StateRequiresAction: RequiresAction,
		StateSucceeded: Succeeded, StateFailed: Failed, StateCancelled: Cancelled} {
		p := Payment{Status: RequiresAction, NextAction: &NextAction{Type: ActionStripeSDK}}
		p.Settle(Outcome{State: state, NextAction: &NextAction{Type: ActionStripeSDK}}, noon)
		if p.Status != want || (p.NextAction != nil) != (want == RequiresAction) {
			t.Errorf("outcome %s of one that requires an action: %s, want %s", state, p.Status, want)
		}
	}
}

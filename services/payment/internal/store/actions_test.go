package store_test

import (
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
	"daprmall.dev/services/payment/internal/stripe"
	"daprmall.dev/services/payment/internal/stripe/stripetest"
)

// If the bank asks the shopper for confirmation, the attempt waits as long as there is time to pay, and no longer.
func TestAnAttemptWaitsForItsShopper(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(d fixture)
		status payment.Status
		code   string
		net    int64
		events string
	}{
		"who approves": {func(d fixture) {
			if p, err := d.AnswerChallenge(d.t.Context(), "7", "1", true); err != nil || p.Status != payment.Succeeded {
				d.t.Errorf("answer: %+v, %v", p, err)
			}
		}, payment.Succeeded, "", 210, succeeded},
		"who rejects": {func(d fixture) {
			if p, err := d.AnswerChallenge(d.t.Context(), "7", "1", false); err != nil || p.Status != payment.Failed {
				d.t.Errorf("answer: %+v, %v", p, err)
			}
		}, payment.Failed, payment.AuthenticationFailed, 0, "[]"},
		"who approves while our notification is lost": {func(d fixture) {
			if err := d.line.AnswerChallenge(d.t.Context(), "sbx_1", true); err != nil {
				d.t.Error(err)
			}
		}, payment.Succeeded, "", 210, succeeded},
		"until the time to pay is over": {func(d fixture) { d.sql(d.db, "UPDATE bills SET due_at = now()") },
			payment.Cancelled, payment.ActionExpired, 0, "[]"},
		"until the order is cancelled": {func(d fixture) {
			if err := d.CloseBill(d.t.Context(), payment.Bill{OrderID: "100", UserID: "7", Amount: 210, Currency: "CNY",
				DueAt: time.Now()}); err != nil {
				d.t.Error(err)
			}
		}, payment.Cancelled, payment.ActionExpired, 0, "[]"},
		"until the shopper cancels": {func(d fixture) {
			if p, err := d.Cancel(d.t.Context(), "7", "1"); err != nil || p.Status != payment.Cancelled {
				d.t.Errorf("cancel: %+v, %v", p, err)
			}
		}, payment.Cancelled, "", 0, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			b := d.bill("100")
			p := d.pay("1", b, sandbox.Challenges)
			if p.Status != payment.RequiresAction || p.NextAction == nil || p.NextAction.Type != payment.ActionSandbox {
				t.Fatalf("at once: %+v, want it to require an action", p)
			}
			for range 3 { // well beyond the seconds that a request may take
				d.sql(d.db, "UPDATE payments SET created_at = created_at - interval '1 minute'")
				d.later()
			}
			if p, err := d.Show(t.Context(), "7", "1"); err != nil || p.Status != payment.RequiresAction || p.NextAction == nil {
				t.Fatalf("after a while: %+v, %v; want it to wait", p, err)
			}
			if _, _, err := d.Start(t.Context(), "2", "7", "100", nil); problem.CodeOf(err) != "payment_in_progress" {
				t.Errorf("another attempt: %v, want payment_in_progress", err)
			}
			if p, resumed, err := d.Start(t.Context(), "1", "7", "100", nil); err != nil || !resumed ||
				p.Status != payment.RequiresAction {
				t.Errorf("the same request again: %+v, resumed %v, %v", p, resumed, err)
			}
			tt.end(d)
			d.later()
			p, err := d.store.Find(t.Context(), "1")
			if err != nil || p.FailureCode != tt.code || p.NextAction != nil {
				t.Errorf("in the end: %+v, %v; want code %q", p, err, tt.code)
			}
			d.wantBalance("1", tt.status, tt.net, tt.events)
			if _, err := d.AnswerChallenge(t.Context(), "7", "1", true); problem.CodeOf(err) != "no_action_required" {
				t.Errorf("a confirmation that is not required: %v, want no_action_required", err)
			}
			if _, err := d.AnswerChallenge(t.Context(), "8", "1", true); problem.KindOf(err) != problem.NotFound {
				t.Errorf("a confirmation by another user: %v, want not found", err)
			}
		})
	}
}

// stripeFixture is a payment service whose provider is Stripe.
type stripeFixture struct {
	fixture
	stripe *stripetest.Stripe
}

func openStripe(t *testing.T) stripeFixture {
	t.Helper()
	db := postgrestest.Open(t, outbox.Migrations, store.Migrations)
	contractstest.CheckEventsAtEnd(t, db, "payment")
	there := stripetest.New(t)
	provider := stripe.New(stripe.Config{APIKey: "sk_test_123", WebhookSecret: stripetest.Secret, URL: there.URL})
	s := store.New(db, outbox.New(db, "payment", nil, slog.Default()))
	service := payment.NewService(s, noOrders{}, nil, []payment.Provider{provider}, func() string { return "stripe" },
		slog.New(slog.DiscardHandler))
	return stripeFixture{fixture{Service: service, t: t, db: db, store: s}, there}
}

// settle makes the settler check what is due.
func (c stripeFixture) settle() {
	c.t.Helper()
	if err := c.SettleDue(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	if err := c.RefundDue(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// notify delivers a notice the given number of times.
func (c stripeFixture) notify(kind, id string, changed map[string]any, times int) {
	c.t.Helper()
	for range times {
		body, signature := c.stripe.Notice(kind, id, time.Now(), changed)
		if err := c.OnNotice(c.t.Context(), "stripe", body, signature); err != nil {
			c.t.Fatalf("%s: %v", kind, err)
		}
	}
}

func (c stripeFixture) wantStatus(id string, want payment.Status) *payment.Payment {
	c.t.Helper()
	p, err := c.store.Find(c.t.Context(), id)
	if err != nil || p.Status != want {
		c.t.Errorf("payment %s: %+v, %v; want %s", id, p, err, want)
	}
	return p
}

// A card that is entered at Stripe is never sent to the mall: the attempt waits with the secret for Stripe's card
// fields. After a declined card the shopper may enter another one there.
func TestACardIsEnteredAtStripe(t *testing.T) {
	c := openStripe(t)
	c.bill("100")
	if err := c.CheckCard(nil); err != nil {
		t.Fatalf("no card: %v", err)
	}
	p, _, err := c.Start(t.Context(), "1", "7", "100", nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Charge(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = c.RecordOutcome(t.Context(), p.ID, o); err != nil || p.Status != payment.RequiresAction ||
		p.NextAction == nil || *p.NextAction != (payment.NextAction{Type: payment.ActionEnterCard,
		ClientSecret: "pi_1_secret"}) {
		t.Fatalf("at once: %+v, %v; want the secret of Stripe's card fields", p, err)
	}
	c.sql(c.db, "UPDATE payments SET look_at = now()")
	c.settle()
	c.wantStatus("1", payment.RequiresAction)
	c.stripe.EnterCard("pi_1_secret", stripetest.Declines)
	c.notify("payment_intent.payment_failed", "pi_1", nil, 1)
	c.settle()
	c.wantStatus("1", payment.RequiresAction)
	c.stripe.EnterCard("pi_1_secret", stripetest.Challenges) // in Stripe's fields; the bank's question is asked there, too
	c.notify("payment_intent.requires_action", "pi_1", nil, 1)
	c.settle()
	c.wantStatus("1", payment.RequiresAction)
	c.stripe.Authenticate("pi_1", false)
	c.notify("payment_intent.payment_failed", "pi_1", nil, 1)
	c.settle()
	c.wantStatus("1", payment.RequiresAction)
	c.stripe.EnterCard("pi_1_secret", stripetest.Good)
	c.notify("payment_intent.succeeded", "pi_1", nil, 3)
	c.settle()
	if p := c.wantStatus("1", payment.Succeeded); p.Card != (payment.CardSummary{Brand: "visa", Last4: "4242"}) {
		t.Errorf("card %+v, want Stripe's data of it", p.Card)
	}
	// Late or repeated notices change nothing.
	c.notify("payment_intent.requires_action", "pi_1", map[string]any{"status": "requires_action"}, 2)
	c.notify("payment_intent.payment_failed", "pi_1", map[string]any{"status": "requires_payment_method"}, 1)
	c.settle()
	c.wantStatus("1", payment.Succeeded)
	c.wantEvents("[mall.payment.succeeded.v1]")
	for _, asked := range c.stripe.Asked() {
		if asked == "POST /v1/payment_methods" {
			t.Error("a card was sent to the mall")
		}
	}
}

func (c stripeFixture) wantEvents(want string) {
	c.t.Helper()
	var types []string
	if err := c.db.Raw("SELECT type FROM outbox ORDER BY seq").Scan(&types).Error; err != nil {
		c.t.Fatal(err)
	}
	if got := "[" + join(types) + "]"; got != want {
		c.t.Errorf("events %s, want %s", got, want)
	}
}

func join(words []string) (text string) {
	for i, w := range words {
		if i > 0 {
			text += " "
		}
		text += w
	}
	return text
}

// The request that opened the card fields dies before the shopper has the secret: a repeat returns it.
func TestARepeatReturnsTheSecretOfTheCardFields(t *testing.T) {
	c := openStripe(t)
	c.bill("100")
	p, _, err := c.Start(t.Context(), "1", "7", "100", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Charge(t.Context(), p, nil); err != nil { // the process dies here
		t.Fatal(err)
	}
	c.sql(c.db, "UPDATE payments SET look_at = now()")
	c.settle()
	if p := c.wantStatus("1", payment.RequiresAction); p.NextAction == nil || p.NextAction.ClientSecret != "pi_1_secret" {
		t.Errorf("next action %+v, want the secret", p.NextAction)
	}
}

// The bank asks about a card that was sent to the mall. A rejection ends the attempt, at Stripe, too.
func TestARejectionAtTheBankEndsTheAttempt(t *testing.T) {
	for pass, want := range map[bool]payment.Status{true: payment.Succeeded, false: payment.Failed} {
		c := openStripe(t)
		p := c.pay("1", c.bill("100"), stripetest.Challenges)
		if p.Status != payment.RequiresAction || p.NextAction.Type != payment.ActionStripeSDK ||
			p.NextAction.ClientSecret == "" {
			t.Fatalf("at once: %+v, want it to require an action", p)
		}
		c.stripe.Authenticate("pi_1", pass)
		c.sql(c.db, "UPDATE payments SET look_at = now()") // no notice came; a check finds the outcome
		c.settle()
		p = c.wantStatus("1", want)
		if !pass && p.FailureCode != payment.AuthenticationFailed {
			t.Errorf("failure %q, want %s", p.FailureCode, payment.AuthenticationFailed)
		}
		if _, _, err := c.Start(t.Context(), "2", "7", "100", nil); (err == nil) == pass {
			t.Errorf("passed %v, another attempt: %v", pass, err)
		}
	}
}

// An amount that the provider cannot accept is refused for good, and the bill stays open.
func TestACurrencyThatStripeCannotChargeIsRefused(t *testing.T) {
	c := openStripe(t)
	c.bill("100")
	c.sql(c.db, "UPDATE bills SET currency = 'XTS'")
	p := c.pay("1", payment.Bill{OrderID: "100", UserID: "7"}, stripetest.Good)
	if p.Status != payment.Failed || problem.CodeOf(p.Refusal()) != payment.NotChargeable {
		t.Errorf("%+v, %v; want %s", p, p.Refusal(), payment.NotChargeable)
	}
	if asked := c.stripe.Asked(); len(asked) > 0 {
		t.Errorf("Stripe was asked %v", asked)
	}
}

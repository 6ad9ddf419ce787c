package store_test

import (
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
	"daprmall.dev/services/payment/internal/stripe"
	"daprmall.dev/services/payment/internal/stripe/stripetest"
)

// A card whose bank asks the shopper: the attempt waits for the answer as long as there is time to pay, and no longer.
func TestAnAttemptWaitsForItsShopper(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(d fixture)
		status payment.Status
		code   string
		net    int64
		events string
	}{
		"who says yes": {func(d fixture) {
			if p, err := d.AnswerChallenge(d.t.Context(), "7", "1", true); err != nil || p.Status != payment.Succeeded {
				d.t.Errorf("answer: %+v, %v", p, err)
			}
		}, payment.Succeeded, "", 210, succeeded},
		"who says no": {func(d fixture) {
			if p, err := d.AnswerChallenge(d.t.Context(), "7", "1", false); err != nil || p.Status != payment.Failed {
				d.t.Errorf("answer: %+v, %v", p, err)
			}
		}, payment.Failed, payment.AuthenticationFailed, 0, "[]"},
		"who says yes where we do not hear of it": {func(d fixture) {
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
		"until they give up": {func(d fixture) {
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
			for range 3 { // far beyond the seconds of a request
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
			d.books("1", tt.status, tt.net, tt.events)
			if _, err := d.AnswerChallenge(t.Context(), "7", "1", true); problem.CodeOf(err) != "no_action_required" {
				t.Errorf("an answer when nobody asks: %v, want no_action_required", err)
			}
			if _, err := d.AnswerChallenge(t.Context(), "8", "1", true); problem.KindOf(err) != problem.NotFound {
				t.Errorf("an answer of a stranger: %v, want not found", err)
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
	toldRight(t, db)
	there := stripetest.New(t)
	provider := stripe.New(stripe.Config{APIKey: "sk_test_123", WebhookSecret: stripetest.Secret, URL: there.URL})
	s := store.New(db, outbox.New(db, "payment", nil, slog.Default()))
	service := payment.NewService(s, noOrders{}, nil, []payment.Provider{provider}, func() string { return "stripe" },
		slog.New(slog.DiscardHandler))
	return stripeFixture{fixture{Service: service, t: t, db: db, store: s}, there}
}

// settle lets the settler look at what is due.
func (c stripeFixture) settle() {
	c.t.Helper()
	if err := c.SettleDue(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	if err := c.RefundDue(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// tell delivers a notice, so often.
func (c stripeFixture) tell(kind, id string, changed map[string]any, times int) {
	c.t.Helper()
	for range times {
		body, signature := c.stripe.Notice(kind, id, time.Now(), changed)
		if err := c.OnNotice(c.t.Context(), "stripe", body, signature); err != nil {
			c.t.Fatalf("%s: %v", kind, err)
		}
	}
}

func (c stripeFixture) is(id string, want payment.Status) *payment.Payment {
	c.t.Helper()
	p, err := c.store.Find(c.t.Context(), id)
	if err != nil || p.Status != want {
		c.t.Errorf("payment %s: %+v, %v; want %s", id, p, err, want)
	}
	return p
}

// A card that is entered at Stripe never comes here: the attempt waits with the secret for Stripe's fields. A card that
// is refused there may be followed by another.
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
	c.is("1", payment.RequiresAction)
	c.stripe.EnterCard("pi_1_secret", stripetest.Declines)
	c.tell("payment_intent.payment_failed", "pi_1", nil, 1)
	c.settle()
	c.is("1", payment.RequiresAction)
	c.stripe.EnterCard("pi_1_secret", stripetest.Challenges) // on Stripe's fields, the bank's question comes there, too
	c.tell("payment_intent.requires_action", "pi_1", nil, 1)
	c.settle()
	c.is("1", payment.RequiresAction)
	c.stripe.Authenticate("pi_1", false)
	c.tell("payment_intent.payment_failed", "pi_1", nil, 1)
	c.settle()
	c.is("1", payment.RequiresAction)
	c.stripe.EnterCard("pi_1_secret", stripetest.Good)
	c.tell("payment_intent.succeeded", "pi_1", nil, 3)
	c.settle()
	if p := c.is("1", payment.Succeeded); p.Card != (payment.CardSummary{Brand: "visa", Last4: "4242"}) {
		t.Errorf("card %+v, want what Stripe tells of it", p.Card)
	}
	// What comes late or again changes nothing.
	c.tell("payment_intent.requires_action", "pi_1", map[string]any{"status": "requires_action"}, 2)
	c.tell("payment_intent.payment_failed", "pi_1", map[string]any{"status": "requires_payment_method"}, 1)
	c.settle()
	c.is("1", payment.Succeeded)
	c.told("[mall.payment.succeeded.v1]")
	for _, asked := range c.stripe.Asked() {
		if asked == "POST /v1/payment_methods" {
			t.Error("a card came through here")
		}
	}
}

func (c stripeFixture) told(want string) {
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

// The request that opened the card fields died before its shopper had the secret: asking again gives it.
func TestTheSecretSurvivesItsRequest(t *testing.T) {
	c := openStripe(t)
	c.bill("100")
	p, _, err := c.Start(t.Context(), "1", "7", "100", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Charge(t.Context(), p, nil); err != nil { // and here the process dies
		t.Fatal(err)
	}
	c.sql(c.db, "UPDATE payments SET look_at = now()")
	c.settle()
	if p := c.is("1", payment.RequiresAction); p.NextAction == nil || p.NextAction.ClientSecret != "pi_1_secret" {
		t.Errorf("next action %+v, want the secret", p.NextAction)
	}
}

// The bank asks about a card that came through here. Its no ends the attempt, at Stripe too.
func TestTheBanksQuestionAtStripe(t *testing.T) {
	for pass, want := range map[bool]payment.Status{true: payment.Succeeded, false: payment.Failed} {
		c := openStripe(t)
		p := c.pay("1", c.bill("100"), stripetest.Challenges)
		if p.Status != payment.RequiresAction || p.NextAction.Type != payment.ActionStripeSDK ||
			p.NextAction.ClientSecret == "" {
			t.Fatalf("at once: %+v, want it to require an action", p)
		}
		c.stripe.Authenticate("pi_1", pass)
		c.sql(c.db, "UPDATE payments SET look_at = now()") // no notice came: it is found by asking
		c.settle()
		p = c.is("1", want)
		if !pass && p.FailureCode != payment.AuthenticationFailed {
			t.Errorf("failure %q, want %s", p.FailureCode, payment.AuthenticationFailed)
		}
		if _, _, err := c.Start(t.Context(), "2", "7", "100", nil); (err == nil) == pass {
			t.Errorf("passed %v, another attempt: %v", pass, err)
		}
	}
}

// An amount that the provider cannot take is refused for good, and the bill stays open.
func TestACurrencyThatCannotBeCharged(t *testing.T) {
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

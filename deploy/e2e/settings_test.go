//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/redis"
)

// configuredMall is a mall with settings that are not the defaults, and the means to see which ones it uses.
type configuredMall struct {
	another
	t         *testing.T
	where     mallAccess
	me        *apiclient.Client
	merchant  *apiclient.Client
	address   string
	payments  *sql.DB
	customers int
	sold      string // the product sold last
	stripe    *fakeStripe
}

// unusual are settings that differ from the defaults in ways that a shopper notices.
var unusual = map[string]string{"mall.currency": "EUR", "payment.provider": "stripe", "checkout.shipping_fee": "321",
	"gateway.rate.account": "0.001/4",
	"gateway.rate.signin":  "5000/5000"}

// openConfiguredMall starts a mall with these settings and a policy that does not let visitors list products.
func openConfiguredMall(t *testing.T) *configuredMall {
	t.Helper()
	stripe := newStripe(t)
	m := &configuredMall{another: anotherMall(t, "settings", "MALL_STRIPE_API_URL="+stripe.url), t: t}
	m.must(t, "up", "--detach")
	readJSON(t, filepath.Join(m.home, "run", "state.json"), &m.where)
	m.payments = m.db("payment")
	m.signUpUsers()
	m.must(t, configSet(unusual)...)
	file := changedPolicy(t, "anonymous, /v1/products(/{id})?", "customer, /v1/products(/{id})?")
	m.must(t, "config", "set", "gateway.policy", "@"+file)
	m.until("the settings are read", m.unchanged)
	m.until("the provider is read", func() error {
		n, err := number(t.Context(), m.payments,
			"SELECT count(*) FROM settings WHERE key = 'payment.provider' AND value = 'stripe'")
		if err == nil && n == 0 {
			err = errors.New("not yet")
		}
		return err
	})
	for _, app := range []string{"product", "checkout"} {
		db := m.db(app)
		m.until("the currency is read by "+app, func() error {
			n, err := number(t.Context(), db, "SELECT count(*) FROM settings WHERE key = 'mall.currency' AND value = 'EUR'")
			if err == nil && n == 0 {
				err = errors.New("not yet")
			}
			return err
		})
	}
	m.stripe = stripe
	return m
}

// visitor is not checked against openapi.yaml: the policy refuses what openapi.yaml allows everybody.
func (m *configuredMall) visitor() *apiclient.Client {
	c := m.another.visitor()
	c.Seen = nil
	return c
}

func (m *configuredMall) until(what string, try func() error) {
	m.t.Helper()
	if err := eventually(m.t.Context(), waitFor, try); err != nil {
		m.t.Fatalf("%s: %v", what, err)
	}
}

// db opens a service's database.
func (m *configuredMall) db(name string) *sql.DB {
	m.t.Helper()
	db, err := sql.Open("pgx", m.where.Databases[name])
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = db.Close() })
	return db
}

// signUpUsers signs up a seller and a shopper.
func (m *configuredMall) signUpUsers() {
	m.t.Helper()
	ctx := m.t.Context()
	m.must(m.t, configSet(map[string]string{"gateway.rate.signin": "5000/5000", "gateway.rate.account": "5000/5000"})...)
	m.merchant = m.firstAdmin(m.t)
	there := m.visitor()
	var err error
	if m.me, err = there.SignUp(ctx, "shopper@mall.local"); err != nil {
		m.t.Fatal(err)
	}
	if m.address, err = m.me.Address(ctx, "Berlin"); err != nil {
		m.t.Fatal(err)
	}
}

// unchanged fails if the policy or the limit is not the configured one.
func (m *configuredMall) unchanged() error {
	ctx := m.t.Context()
	if a, err := m.visitor().Do(ctx, http.MethodGet, "/v1/products", nil); err != nil ||
		a.Status != http.StatusUnauthorized {
		return fmt.Errorf("policy: a visitor's list of products: %s, %w; want 401", a, err)
	}
	// The limit refuses the fifth wrong password of one account.
	m.customers++
	var last apiclient.Answer
	for range 5 {
		var err error
		last, err = m.visitor().Do(ctx, http.MethodPost, "/v1/sessions",
			map[string]string{"email": fmt.Sprintf("nobody-%d@mall.local", m.customers), "password": "wrong password"})
		if err != nil {
			return err
		}
	}
	if last.Status != http.StatusTooManyRequests {
		return fmt.Errorf("limit: fifth wrong password: %s, want 429", last)
	}
	return nil
}

// checkPurchase buys a new product: currency, fee and provider must be as configured.
func (m *configuredMall) checkPurchase(when string) {
	m.t.Helper()
	ctx := m.t.Context()
	p, err := m.merchant.NewProduct(ctx, "Settled tea "+apiclient.Key(), "tests", 400, 5)
	if err != nil {
		m.t.Fatalf("%s: %v", when, err)
	}
	m.sold = p.ID
	key := apiclient.Key()
	a, err := untilAnswered(ctx, func(ctx context.Context) (apiclient.Answer, error) {
		return m.me.Buy(ctx, key, m.address, apiclient.Line{ProductID: p.ID, Quantity: 1})
	})
	var o struct {
		ID       string `json:"id"`
		Currency string `json:"currency"`
		Shipping int64  `json:"shipping"`
	}
	if err != nil || a.Status != http.StatusCreated || a.Into(&o) != nil {
		m.t.Fatalf("%s: checkout: %s, %v", when, a, err)
	}
	if o.Currency != "EUR" || o.Shipping != 321 {
		m.t.Errorf("%s: order in %s with shipping %d, want EUR and 321", when, o.Currency, o.Shipping)
	}
	key = apiclient.Key()
	a, err = untilAnswered(ctx, func(ctx context.Context) (apiclient.Answer, error) {
		return m.me.Pay(ctx, key, o.ID, apiclient.CardGood)
	})
	if err != nil || a.Status != http.StatusCreated {
		m.t.Errorf("%s: pay: %s, %v", when, a, err)
	}
	var provider string
	if err := m.payments.QueryRowContext(ctx, "SELECT provider FROM payments WHERE order_id = $1",
		o.ID).Scan(&provider); err != nil || provider != "stripe" {
		m.t.Errorf("%s: paid through %q, %v; want stripe", when, provider, err)
	}
}

// payAtStripe pays without a card: it is entered at Stripe, whose notice settles the payment.
func (m *configuredMall) payAtStripe() {
	m.t.Helper()
	ctx := m.t.Context()
	a, err := m.me.Buy(ctx, apiclient.Key(), m.address, apiclient.Line{ProductID: m.sold, Quantity: 1})
	var o apiclient.Order
	if err != nil || a.Status != http.StatusCreated || a.Into(&o) != nil {
		m.t.Fatalf("checkout: %s, %v", a, err)
	}
	a = do(m.t, m.me, http.MethodPost, "/v1/payments", map[string]any{"order_id": o.ID}, "Idempotency-Key",
		apiclient.Key())
	var p payment
	if a.Status != http.StatusCreated || a.Into(&p) != nil || p.Status != "requires_action" ||
		p.NextAction.Type != "enter_card" || p.NextAction.ClientSecret == "" {
		m.t.Fatalf("pay without a card: %s, want Stripe's secret", a)
	}
	intent := m.stripe.enterCard(p.NextAction.ClientSecret)
	body, signature := signed("payment_intent.succeeded", fmt.Sprintf(`{"id":%q,"object":"payment_intent"}`, intent))
	for what, s := range map[string]string{"unsigned": "", "signed by another": signature[:len(signature)-4] + "0000"} {
		if a := do(m.t, m.visitor(), http.MethodPost, "/v1/webhooks/stripe", body, "Stripe-Signature",
			s); a.Code() != "bad_signature" {
			m.t.Errorf("a notice %s: %s, want bad_signature", what, a)
		}
	}
	for range 2 {
		if a := do(m.t, m.visitor(), http.MethodPost, "/v1/webhooks/stripe", body, "Stripe-Signature",
			signature); a.Status != http.StatusNoContent {
			m.t.Errorf("a signed notice: %s, want 204", a)
		}
	}
	waitOrder(m.t, m.me, o.ID, "paid")
}

// gauge reads a gauge of a service.
func (m *configuredMall) gauge(app, name string) (string, error) {
	res, err := get(m.t, m.where.Apps[app].metrics())
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(string(text), "\n"+name+" ")
	if !found {
		return "", fmt.Errorf("%s has no metric %s", app, name)
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value, nil
}

// waitForSettings waits until services have read the present state of the store.
func (m *configuredMall) waitForSettings(lost bool, apps ...string) {
	m.t.Helper()
	m.until("the store is read", func() error {
		for _, app := range apps {
			if n, err := m.gauge(app, "mall_settings_lost"); err != nil || (n != "0") != lost {
				return fmt.Errorf("%s says %s settings are lost, %w", app, n, err)
			}
		}
		return nil
	})
}

func (m *configuredMall) restart(apps ...string) {
	m.t.Helper()
	for _, app := range apps {
		m.must(m.t, "kill", app)
	}
}

// The configuration store loses everything, and nothing writes it back: no setting changes in any service, not even in
// services that start afterwards. The gateway has no database to remember its settings, so after a restart it refuses
// all requests until the store has them again.
func TestSettingsDoNotChangeWhenTheStoreLosesThem(t *testing.T) {
	t.Parallel()
	m := openConfiguredMall(t)
	m.checkPurchase("before")
	m.payAtStripe()

	record := filepath.Join(m.home, "settings.json") // without it the runner cannot write the settings back
	if err := os.Rename(record, record+".away"); err != nil {
		t.Fatal(err)
	}
	c := redis.Open(m.where.Redis.Addr, m.where.Redis.Password)
	defer c.Close() //nolint:errcheck // every command has been answered
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	readers := []string{"payment", "product", "checkout", "api-gateway"}
	m.waitForSettings(true, readers...)
	m.until("emptied", m.unchanged)
	m.checkPurchase("emptied")

	// The store is restored from an older snapshot, with values that were valid then.
	for key, old := range map[string]string{"mall.settings_initialized": "yes", "mall.currency": "CNY||1",
		"payment.provider": "sandbox||1", "checkout.shipping_fee": "5||1"} {
		if err := c.Set(t.Context(), key, old, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	m.waitForSettings(true, "payment", "product", "checkout")
	m.checkPurchase("restored")

	m.restart("payment", "product", "checkout")
	for _, app := range []string{"payment", "product", "checkout"} {
		m.until(app+" is ready", func() error { return readyOne(t, m.where.Apps[app]) })
	}
	m.waitForSettings(true, readers...)
	m.checkPurchase("emptied, then started")

	if err := c.Del(t.Context(), "mall.settings_initialized").Err(); err != nil {
		t.Fatal(err)
	}
	m.restart("api-gateway")
	m.until("the gateway names its missing settings", func() error {
		res, err := get(t, m.where.Apps["api-gateway"].URL+"/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err == nil && (res.StatusCode != http.StatusServiceUnavailable ||
			!strings.Contains(string(text), "gateway.policy")) {
			err = fmt.Errorf("%d %s", res.StatusCode, text)
		}
		return err
	})
	if a := do(t, m.me, http.MethodGet, "/v1/orders", nil); unavailable(a) != "" {
		t.Errorf("a gateway without its settings: %s", unavailable(a))
	}
	if err := os.Rename(record+".away", record); err != nil { // now the runner finds it and writes the settings back
		t.Fatal(err)
	}
	m.until("the gateway is ready", func() error { return readyOne(t, m.where.Apps["api-gateway"]) })
	m.waitForSettings(false, readers...)
	m.until("written back", m.unchanged)
	m.checkPurchase("written back")
	for key, value := range unusual {
		if got := strings.TrimSpace(m.must(t, "config", "get", key)); got != value {
			t.Errorf("config get %s: %q, want %q", key, got, value)
		}
	}
	if _, err := m.run(t.Context(), "config", "unset", "payment.provider"); err == nil {
		t.Error("payment.provider was unset")
	}
	var currency struct {
		Code     string
		Exponent int
	}
	if err := m.visitor().Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/currency", nil, &currency); err != nil ||
		currency.Code != "EUR" || currency.Exponent != 2 {
		t.Errorf("clients are told %+v, %v", currency, err)
	}
	if _, err := m.run(t.Context(), "config", "set", "mall.currency", "LYD"); err == nil { // Stripe does not take it
		t.Error("a currency was set that nobody can pay in")
	}
	if got := strings.TrimSpace(m.must(t, "config", "get", "mall.currency")); got != "EUR" {
		t.Errorf("the currency is %s after a refusal", got)
	}
	m.must(t, "config", "unset", "checkout.shipping_fee")
	m.until("the default shipping fee is used", func() error {
		var q struct {
			Shipping int64 `json:"shipping"`
		}
		line := apiclient.Line{ProductID: m.sold, Quantity: 1}
		if err := m.me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/checkout/quote",
			map[string]any{"items": []apiclient.Line{line}}, &q); err != nil {
			return err
		}
		if q.Shipping != 1000 {
			return fmt.Errorf("shipping %d", q.Shipping)
		}
		return nil
	})
}

package api

import (
	"context"
	"log/slog"
	"reflect"
	"strconv"
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/store"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

type fixture int

func (c *fixture) Next() (string, error) { *c++; return strconv.Itoa(int(*c)), nil }

// basket is a cart that changes, or cannot be reached.
type basket struct {
	items []checkout.Item
	err   error
	asked int
}

func (b *basket) Items(context.Context) ([]checkout.Item, error) { b.asked++; return b.items, b.err }

func newHandler(t *testing.T, cart *basket) (handler, *store.Store, *gorm.DB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
	addresses := store.New(db)
	keys := idempotency.New(db, new(fixture), []byte("secret"), log)
	_, err := addresses.Add(t.Context(), checkout.Address{ID: "900", UserID: "7",
		PostalAddress: checkout.PostalAddress{City: "武汉", Country: "CN"}})
	if err != nil {
		t.Fatal(err)
	}
	return handler{keys, checkout.NewService(addresses, cart, nil, nil, nil, nil, log)}, addresses, db
}

func (h handler) run(key string) run {
	return run{"7", key, h.keys.Fingerprint("POST", "/v1/checkout", []byte("{}"))}
}

// crash ends the leases of all runs, as time does.
func crash(t *testing.T, db *gorm.DB) {
	t.Helper()
	if err := db.Exec("UPDATE idempotency_keys SET lease_until = now() - interval '1 second'").Error; err != nil {
		t.Fatal(err)
	}
}

// A run after a crash buys what the first one began to buy, with the same order id, whatever cart and address are by
// now.
func TestARunAfterACrashGoesOnWithTheRecord(t *testing.T) {
	total := int64(210)
	for name, req := range map[string]checkout.Request{
		"named items": {UserID: "7", AddressID: "900", Items: []checkout.Item{{ProductID: "5", Quantity: 2}},
			ExpectedTotal: &total},
		"the cart": {UserID: "7", AddressID: "900"},
	} {
		t.Run(name, func(t *testing.T) {
			cart := &basket{items: []checkout.Item{{ProductID: "6", Quantity: 3}}}
			h, addresses, db := newHandler(t, cart)
			first, claim, err := h.begin(t.Context(), h.run("k"), req)
			if err != nil || first == nil || !claim.Fresh || first.OrderID != claim.EffectID ||
				first.PostalAddress.City != "武汉" || first.FromCart != (req.Items == nil) {
				t.Fatalf("first run: %+v, %+v, %v", first, claim, err)
			}
			if _, _, err := h.begin(t.Context(), h.run("k"), req); problem.CodeOf(err) != "request_in_progress" {
				t.Errorf("while the first runs: %v, want request_in_progress", err)
			}
			crash(t, db)
			if err := addresses.Remove(t.Context(), "7", "900"); err != nil {
				t.Fatal(err)
			}
			cart.items, cart.err = nil, problem.NewUnavailable(context.DeadlineExceeded, 0, "cart is away")
			second, claim, err := h.begin(t.Context(), h.run("k"), req)
			if err != nil || claim.Fresh || !reflect.DeepEqual(second, first) {
				t.Errorf("after the crash: %+v, fresh %v, %v; want %+v", second, claim.Fresh, err, first)
			}
			if req.Items == nil && cart.asked != 1 {
				t.Errorf("cart was asked %d times, want once", cart.asked)
			}
		})
	}
}

// A definite refusal before anything began is kept as the key's answer; an unreachable service is not.
func TestARefusalIsAnAnswerAnOutageIsNot(t *testing.T) {
	cart := &basket{err: problem.NewUnavailable(context.DeadlineExceeded, 0, "cart is away")}
	h, _, _ := newHandler(t, cart)
	req := checkout.Request{UserID: "7", AddressID: "900"}
	if _, _, err := h.begin(t.Context(), h.run("k"), req); problem.KindOf(err) != problem.Unavailable {
		t.Fatalf("without a cart: %v, want unavailable", err)
	}
	cart.err = nil
	if _, _, err := h.begin(t.Context(), h.run("k"), req); problem.CodeOf(err) != "empty_cart" {
		t.Fatalf("with an empty cart: %v, want empty_cart", err)
	}
	cart.items = []checkout.Item{{ProductID: "6", Quantity: 3}}
	if _, claim, err := h.begin(t.Context(), h.run("k"), req); err != nil || claim.Answer == nil ||
		claim.Answer.Status != 422 {
		t.Errorf("the same key again: %+v, %v; want the refusal again", claim, err)
	}
	if record, _, err := h.begin(t.Context(), h.run("other"), req); err != nil || record == nil {
		t.Errorf("another key: %+v, %v; want a checkout", record, err)
	}
}

package clients

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
	"daprmall.dev/services/product/internal/inventory/inventorytest"
	"daprmall.dev/services/product/internal/store"
)

// The real gate as in the mall: this client, a real sidecar, the component and Redis. It passes the same tests as the
// fake.
func TestTheRealGate(t *testing.T) {
	r := start(t)
	inventorytest.GateSuite(t, func(t *testing.T) inventorytest.Bench {
		t.Helper()
		r.redis.must(t, "FLUSHALL")
		pass := func() { time.Sleep(2 * time.Millisecond) } //nolint:forbidigo // Redis has no other clock; the suite polls
		return inventorytest.Bench{Gate: NewGate(r.client), Other: NewGate(r.client), Pass: pass}
	})
	t.Run("the fake answers as the real gate does", func(t *testing.T) { testAlike(t, r) })
	t.Run("restored from an old snapshot", func(t *testing.T) { testSnapshot(t, r) })
}

// testAlike makes the same random calls to the fake and to the real gate, and compares every answer and their states.
func testAlike(t *testing.T, r *realGate) {
	t.Helper()
	products, orders := []string{"7", "8", "9", "10"}, []string{"1", "2", "3", "4"}
	rapid.Check(t, func(rt *rapid.T) {
		r.redis.must(t, "FLUSHALL")
		fake, gate := inventorytest.NewGate(), NewGate(r.client)
		ctx := rt.Context()
		same := func(what string, do func(g inventory.Gate) (any, error)) {
			rt.Helper()
			want, wantErr := do(gate)
			got, gotErr := do(fake)
			if fmt.Sprint(got) != fmt.Sprint(want) || (gotErr == nil) != (wantErr == nil) {
				rt.Fatalf("%s: the fake says %v, %v; the gate %v, %v", what, got, gotErr, want, wantErr)
			}
		}
		lines := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) inventory.Line {
			return inventory.Line{
				ProductID: rapid.SampledFrom(products).Draw(rt, "product"),
				Quantity:  rapid.Int64Range(0, 4).Draw(rt, "quantity"),
			}
		}), 1, 3)
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			order := rapid.SampledFrom(orders).Draw(rt, "order")
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0, 1:
				ls := lines.Draw(rt, "lines")
				buyer := buyers(products, orders).Draw(rt, "buyer")
				same(fmt.Sprintf("hold %s %v for %+v", order, ls, buyer), func(g inventory.Gate) (any, error) {
					v, err := g.HoldFor(ctx, buyer, order, ls, time.Minute)
					slices.SortFunc(v.Own, func(a, b inventory.GateOwn) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
					return v, err
				})
			case 2:
				same("unhold "+order, func(g inventory.Gate) (any, error) { return nil, g.Unhold(ctx, order) })
			default:
				s := inventory.Stock{
					ProductID: rapid.SampledFrom(products).Draw(rt, "product"),
					OnHand:    rapid.Int64Range(0, 8).Draw(rt, "base"),
					Version:   rapid.Int64Range(0, 5).Draw(rt, "version"),
				}
				item := inventory.Apply{Stock: s, Recorded: rapid.SliceOfN(rapid.SampledFrom(orders), 0, 2).Draw(rt, "recorded")}
				if rapid.Bool().Draw(rt, "replaces") {
					instead := rapid.Int64Range(0, 5).Draw(rt, "instead of")
					item.InsteadOf = &instead
				}
				same(
					fmt.Sprintf("apply %+v", item),
					func(g inventory.Gate) (any, error) { return nil, g.Apply(ctx, []inventory.Apply{item}) },
				)
			}
			same("inspect", func(g inventory.Gate) (any, error) {
				items, err := g.Inspect(ctx, products)
				return fmt.Sprintf("%+v", items), err
			})
			same("held", func(g inventory.Gate) (any, error) {
				ids, next, err := g.HeldProducts(ctx, "", 3)
				return fmt.Sprint(ids, next), err
			})
		}
	})
}

// buyers draws shoppers with and without a bound, and what the ledger and earlier answers say of them.
func buyers(products, orders []string) *rapid.Generator[inventory.Buyer] {
	return rapid.Custom(func(rt *rapid.T) (b inventory.Buyer) {
		if b.ID = rapid.SampledFrom([]string{"", "71", "72"}).Draw(rt, "shopper"); b.ID == "" {
			return b
		}
		b.MaxUnits = rapid.SampledFrom([]int64{0, 4, 6}).Draw(rt, "max units")
		for _, order := range rapid.SliceOfNDistinct(rapid.SampledFrom(orders), 0, 2, rapid.ID).Draw(rt, "unpaid") {
			b.Unpaid = append(b.Unpaid, inventory.OwnUnits{OrderID: order, Quantity: 2,
				ProductID: rapid.SampledFrom(products).Draw(rt, "product")})
		}
		b.Ended = rapid.SliceOfNDistinct(rapid.SampledFrom(orders), 0, 1, rapid.ID).Draw(rt, "ended")
		return b
	})
}

// testSnapshot takes a snapshot of Redis during purchases, lets them continue, and restarts Redis from the snapshot.
func testSnapshot(t *testing.T, r *realGate) {
	t.Helper()
	r.redis.must(t, "FLUSHALL")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db := postgrestest.Open(t, outbox.Migrations, store.Migrations)
	gate, metrics := NewGate(r.client), &inventorytest.Metrics{}
	ttl := func() time.Duration { return time.Minute }
	ledger := store.New(
		db, outbox.New(db, "product", noBroker{}, discard), func(items []inventory.Apply) { must(gate.Apply(ctx, items)) },
	)
	stock := inventory.NewService(ledger, gate, ttl, metrics)
	products := catalog.NewService(ledger, stock, nil, nil, nil, func() string { return "CNY" }, time.Now)
	reconciler := inventory.NewReconciler(
		ledger, gate, &inventorytest.Orders{}, &inventorytest.Feed{}, ttl, metrics, discard,
	)
	for _, id := range []string{"101", "102"} {
		_, err := products.Create(ctx, id, catalog.Actor{UserID: "5", Seller: true},
			catalog.CreateParams{Name: "Teapot", Description: "A litre.", Price: 100, Stock: 10})
		must(err)
	}
	must(reconciler.WatchRedis(ctx))
	buy := func(order, id string, quantity int64) inventory.Order {
		t.Helper()
		res, err := stock.Hold(ctx, inventory.HoldRequest{OrderID: order,
			Lines: []inventory.Line{{ProductID: id, Quantity: quantity}}})
		if err != nil || res.Status != inventory.Held {
			t.Fatalf("hold %s: %+v, %v", order, res, err)
		}
		return inventory.Order{ID: order, Lines: []inventory.Line{{ProductID: id, Quantity: quantity}}}
	}
	first, second := buy("1", "101", 4), buy("2", "102", 1)
	r.redis.must(t, "SAVE")
	old, err := os.ReadFile(filepath.Join(r.redis.dir, "dump.rdb"))
	must(err)

	must(stock.Reserve(ctx, first, second)) // their holds are removed, but the snapshot still has them
	must(stock.Deduct(ctx, first))
	must(stock.Release(ctx, second))
	third := buy("3", "102", 5) // the snapshot does not have this one
	must(stock.Reserve(ctx, third))
	fourth := buy("4", "101", 2) // this hold is lost with Redis, but its order arrives

	r.redis.kill(t)
	must(os.WriteFile(filepath.Join(r.redis.dir, "dump.rdb"), old, 0o600)) //nolint:gosec // a test's own folder
	r.redis.start(t)
	await(t, "the gate answers again", func() error { _, err := gate.RunID(ctx); return err })
	state := func(id string) string {
		t.Helper()
		items, err := gate.Inspect(ctx, []string{id})
		must(err)
		return fmt.Sprint(items[0].Base, items[0].Held)
	}
	if got := state("101") + ", " + state("102"); got != "10 4, 10 1" {
		t.Fatalf("after the restore the gate has base and held %s: want those of the old snapshot", got)
	}
	must(reconciler.WatchRedis(ctx))
	must(stock.Reserve(ctx, fourth))
	must(reconciler.Reconcile(ctx))
	if got := state("101") + ", " + state("102"); got != "4 0, 5 0" {
		t.Errorf("base and held are %s, want 4 0 and 5 0", got)
	}
}

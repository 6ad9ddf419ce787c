package audit

import (
	"context"
	"net"
	"os"
	osexec "os/exec"
	"slices"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/running"

	goredis "github.com/redis/go-redis/v9"
)

// gateInOrder is a consistent gate: product 1 has the hold of a running checkout, and the hold of an order whose
// reservation has not been made yet.
func gateInOrder() *facts {
	return &facts{
		stock: map[int64]stockRow{1: {onHand: 10, reserved: 2, version: 5, age: 3600}},
		orders: map[int64]order{70: {status: "awaiting_payment", sinceCreated: 3600},
			71: {status: "awaiting_payment", sinceCreated: 1}},
		reservations: map[int64]reserved{70: {minState: "reserved", maxState: "reserved", age: 3600}},
		rejections:   map[int64]float64{},
		gate: &gateFacts{
			products: map[int64]gateProductRow{1: {base: 8, version: 5, held: 3, present: true,
				holds: map[string]int64{"80": 1, "71": 2}}},
			overdue: map[string]float64{"80": -30, "71": -59},
		},
	}
}

func TestTheAuditFindsViolationsInTheGate(t *testing.T) {
	set := func(f *facts, change func(p *gateProductRow)) {
		p := f.gate.products[1]
		change(&p)
		f.gate.products[1] = p
	}
	holds := func(f *facts, hold string, over float64) {
		set(f, func(p *gateProductRow) { p.holds = map[string]int64{hold: 3} })
		f.gate.overdue = map[string]float64{hold: over}
	}
	tests := []struct {
		name  string
		wrong func(f *facts)
		rule  string
		level Level
	}{
		{"another base", func(f *facts) { set(f, func(p *gateProductRow) { p.base = 9 }) }, ruleBase, Violation},
		{"ahead of the ledger", func(f *facts) { set(f, func(p *gateProductRow) { p.version = 6 }) }, ruleBase, Violation},
		{"behind the ledger for long", func(f *facts) { set(f, func(p *gateProductRow) { p.version = 4 }) }, ruleBase,
			Violation},
		{"behind the ledger for a moment", func(f *facts) {
			set(f, func(p *gateProductRow) { p.version = 4 })
			f.stock[1] = stockRow{onHand: 10, reserved: 2, version: 5, age: 1}
		}, ruleBase, InFlight},
		{"a wrong sum of holds", func(f *facts) { set(f, func(p *gateProductRow) { p.held = 4 }) }, ruleHeld, Violation},
		{"a hold without a deadline", func(f *facts) { delete(f.gate.overdue, "80") }, ruleHold, Violation},
		{"a hold whose order has a reservation", func(f *facts) { holds(f, "70", -10) }, ruleHold, Violation},
		{"a hold whose reservation is overdue", func(f *facts) { f.orders[71] = order{sinceCreated: 61} }, ruleHold,
			Violation},
		{"a hold whose reservation is in flight", func(*facts) {}, ruleHold, InFlight},
		{"an expired hold without an order", func(f *facts) { holds(f, "80", 5) }, ruleHold, InFlight},
		{"a long expired hold without an order", func(f *facts) { holds(f, "80", 61) }, ruleHold, Violation},
		{"a long expired hold of a seller", func(f *facts) { holds(f, "adj-9", 61) }, ruleHold, Violation},
		{"a deadline without a hold", func(f *facts) {
			f.gate.overdue["90"], f.gate.seenTwice = 61,
				map[string]bool{"90": true}
		},
			ruleHold, Violation},
		{"a hold with an invalid order id", func(f *facts) { holds(f, "x", -1) }, ruleHold, Violation},
	}
	for _, tt := range tests {
		f := gateInOrder()
		tt.wrong(f)
		stock, stuck := &Book{}, &Book{}
		f.gateBook(stock, stuck)
		all := slices.Concat(stock.Findings, stuck.Findings)
		if !slices.ContainsFunc(all, func(g Finding) bool { return g.Rule == tt.rule && g.Level == tt.level }) {
			t.Errorf("%s: %+v, want %q as %q", tt.name, all, tt.rule, tt.level)
		}
	}
	f := gateInOrder()
	delete(f.gate.products, 1)
	f.gate.overdue = nil
	stock, stuck := &Book{}, &Book{}
	if f.gateBook(stock, stuck); len(stock.Findings)+len(stuck.Findings) > 0 {
		t.Errorf("a product missing in the gate: %+v %+v, want no findings: the first buyer loads it", stock.Findings,
			stuck.Findings)
	}
}

func TestTheGateIsReadFromRedis(t *testing.T) {
	c := gateRedis(t)
	now := float64(time.Now().Unix())
	c.Set(t.Context(), "order.cancel_grace", "2s||3", 0)
	c.HSet(t.Context(), gateProduct+"1", "base", 8, "version", 5, "held", 2, "o:71", 2)
	c.HSet(t.Context(), gateProduct+"2", "base", 0, "version", 1, "held", 0)
	c.ZAdd(t.Context(), gateDue, goredis.Z{Score: (now + 3600) * 1000, Member: "71"})
	var m running.Mall
	m.Redis.Addr, m.Redis.Password = c.Options().Addr, c.Options().Password
	g, grace, err := readGate(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	p := g.products[1]
	if len(g.products) != 2 || grace != 2 || p.base != 8 || p.version != 5 || p.held != 2 || !p.present ||
		p.holds["71"] != 2 {
		t.Errorf("gate %+v, grace %v", g.products, grace)
	}
	if over := g.overdue["71"]; over < -3600 || over > -3000 {
		t.Errorf("overdue %v, want one hour before the deadline", g.overdue)
	}
}

// The gate changes while it is read: holds that are taken or released meanwhile must not be reported.
func TestHoldsThatChangeDuringTheReadAreNoViolation(t *testing.T) {
	c := gateRedis(t)
	due := float64(time.Now().Unix()-100) * 1000
	c.ZAdd(t.Context(), gateDue, goredis.Z{Score: due, Member: "70"}, goredis.Z{Score: due, Member: "71"})
	c.HSet(t.Context(), gateProduct+"1", "base", 8, "version", 5, "held", 2, "o:71", 1, "o:72", 1)
	reader := redis.Open(c.Options().Addr, c.Options().Password)
	defer reader.Close()                   //nolint:errcheck // a test's
	reader.AddHook(before{"scan", func() { // after the deadlines and before the products are read
		c.ZRem(t.Context(), gateDue, "70", "71")
		c.ZAdd(t.Context(), gateDue, goredis.Z{Score: due, Member: "72"}, goredis.Z{Score: due, Member: "73"})
	}})
	g, _, err := scanGate(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.overdue) != 4 {
		t.Fatalf("overdue %v: nothing changed during the read", g.overdue)
	}
	f := &facts{gate: g, orders: map[int64]order{71: {sinceCreated: 1}, 72: {sinceCreated: 1}}}
	stock, stuck := &Book{}, &Book{}
	f.gateBook(stock, stuck)
	for _, found := range slices.Concat(stock.Findings, stuck.Findings) {
		if found.Level == Violation {
			t.Errorf("%+v", found)
		}
	}
}

// before runs a function before a command.
type before struct {
	command string
	do      func()
}

func (b before) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (b before) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if cmd.Name() == b.command {
			b.do()
		}
		return next(ctx, cmd)
	}
}

func (b before) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

// gateRedis starts a server for this test alone, because the gate's keys have fixed names.
func gateRedis(t *testing.T) *redis.Client {
	t.Helper()
	binary := os.Getenv("MALL_TEST_REDIS_SERVER")
	switch {
	case binary == "" && testing.Short():
		t.Skip("no Redis")
	case binary == "":
		t.Fatal("MALL_TEST_REDIS_SERVER is not set: run this by `go run ./deploy/mall test` or in its --shell")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	server := osexec.CommandContext(t.Context(), binary, "--bind", "127.0.0.1", "--port", port, "--requirepass", "secret",
		"--dir", t.TempDir(), "--save", "")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() }) // it ends with the test's context
	addr := net.JoinHostPort("127.0.0.1", port)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := redis.Wait(ctx, addr, "secret"); err != nil {
		t.Fatal(err)
	}
	c := redis.Open(addr, "secret")
	t.Cleanup(func() { _ = c.Close() })
	return c
}

package books

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/running"
)

// gated is a gate in order: product 1 with a hold of a checkout that runs, and one whose order waits for its reservation.
func gated() *facts {
	return &facts{
		stock:        map[int64]stockRow{1: {onHand: 10, reserved: 2, version: 5, age: 3600}},
		orders:       map[int64]order{70: {status: "awaiting_payment", made: 3600}, 71: {status: "awaiting_payment", made: 1}},
		reservations: map[int64]reserved{70: {low: "reserved", top: "reserved", age: 3600}},
		rejections:   map[int64]float64{},
		gate: &gateFacts{
			products: map[int64]gateProductRow{1: {base: 8, version: 5, held: 3, present: true, holds: map[string]int64{"80": 1, "71": 2}}},
			overdue:  map[string]float64{"80": -30, "71": -59},
		},
	}
}

func TestGateCanFail(t *testing.T) {
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
		{"behind the ledger for long", func(f *facts) { set(f, func(p *gateProductRow) { p.version = 4 }) }, ruleBase, Violation},
		{"behind the ledger for a moment", func(f *facts) {
			set(f, func(p *gateProductRow) { p.version = 4 })
			f.stock[1] = stockRow{onHand: 10, reserved: 2, version: 5, age: 1}
		}, ruleBase, InFlight},
		{"a sum that is wrong", func(f *facts) { set(f, func(p *gateProductRow) { p.held = 4 }) }, ruleHeld, Violation},
		{"a hold without a deadline", func(f *facts) { delete(f.gate.overdue, "80") }, ruleHold, Violation},
		{"a hold beside its reservation", func(f *facts) { holds(f, "70", -10) }, ruleHold, Violation},
		{"a hold whose reservation is a minute late", func(f *facts) { f.orders[71] = order{made: 61} }, ruleHold, Violation},
		{"a hold whose reservation is on its way", func(*facts) {}, ruleHold, InFlight},
		{"a hold of no order, over", func(f *facts) { holds(f, "80", 5) }, ruleHold, InFlight},
		{"a hold of no order, long over", func(f *facts) { holds(f, "80", 61) }, ruleHold, Violation},
		{"a seller's hold, long over", func(f *facts) { holds(f, "adj-9", 61) }, ruleHold, Violation},
		{"a deadline of nothing", func(f *facts) { f.gate.overdue["90"], f.gate.lasting = 61, map[string]bool{"90": true} }, ruleHold, Violation},
		{"a hold of nobody", func(f *facts) { holds(f, "x", -1) }, ruleHold, Violation},
	}
	for _, tt := range tests {
		f := gated()
		tt.wrong(f)
		stock, stuck := &Book{}, &Book{}
		f.gateBook(stock, stuck)
		all := slices.Concat(stock.Findings, stuck.Findings)
		if !slices.ContainsFunc(all, func(g Finding) bool { return g.Rule == tt.rule && g.Level == tt.level }) {
			t.Errorf("%s: %+v, want %q as %q", tt.name, all, tt.rule, tt.level)
		}
	}
	f := gated()
	delete(f.gate.products, 1)
	f.gate.overdue = nil
	stock, stuck := &Book{}, &Book{}
	if f.gateBook(stock, stuck); len(stock.Findings)+len(stuck.Findings) > 0 {
		t.Errorf("a product that is not in the gate: %+v %+v, want nothing: the first buyer brings it back", stock.Findings, stuck.Findings)
	}
}

func TestReadGate(t *testing.T) {
	now := time.Now().Unix()
	addr := fakeRedis(t, map[string][]string{
		"AUTH secret":                   {"OK"},
		"GET order.cancel_grace":        {"2s||3"},
		"SCAN 0":                        {"7", "mall:{mall}:product:1"},
		"SCAN 7":                        {"0", "mall:{mall}:product:2"},
		"HGETALL mall:{mall}:product:1": {"base", "8", "version", "5", "held", "2", "o:71", "2"},
		"HGETALL mall:{mall}:product:2": {"base", "0", "version", "1", "held", "0"},
		"TIME":                          {strconv.FormatInt(now, 10), "0"},
		"ZRANGE mall:{mall}:due":        {"71", strconv.FormatInt((now+30)*1000, 10)},
	})
	var m running.Mall
	m.Redis.Addr, m.Redis.Password = addr, "secret"
	g, grace, err := readGate(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	p := g.products[1]
	if len(g.products) != 2 || grace != 2 || p.base != 8 || p.version != 5 || p.held != 2 || !p.present || p.holds["71"] != 2 || g.overdue["71"] != -30 {
		t.Errorf("gate %+v, overdue %v, grace %v", g.products, g.overdue, grace)
	}
}

// The gate goes on while it is read: a hold that goes with its deadline, or comes with one, is no finding.
func TestReadGateWhileItChanges(t *testing.T) {
	due := strconv.FormatInt((time.Now().Unix()-100)*1000, 10)
	var m running.Mall
	m.Redis.Addr = fakeRedis(t, map[string][]string{
		"GET order.cancel_grace":        {"2s||3"},
		"SCAN 0":                        {"0", "mall:{mall}:product:1"},
		"HGETALL mall:{mall}:product:1": {"base", "8", "version", "5", "held", "2", "o:71", "1", "o:72", "1"},
		"TIME":                          {strconv.FormatInt(time.Now().Unix(), 10), "0"},
		"ZRANGE mall:{mall}:due":        {"70", due, "71", due},
		"ZRANGE mall:{mall}:due again":  {"72", due, "73", due},
	})
	g, _, err := readGate(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	f := &facts{gate: g, orders: map[int64]order{71: {made: 1}, 72: {made: 1}}}
	stock, stuck := &Book{}, &Book{}
	f.gateBook(stock, stuck)
	for _, found := range slices.Concat(stock.Findings, stuck.Findings) {
		if found.Level == Violation {
			t.Errorf("%+v", found)
		}
	}
}

// fakeRedis answers commands that begin with a key of answers: one element as a string, more as an array. A key that ends with again
// answers when the command comes a second time.
func fakeRedis(t *testing.T, answers map[string][]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // a test's
		times := map[string]int{}
		for r := bufio.NewReader(conn); ; {
			command, err := readCommand(r)
			if err != nil {
				return
			}
			reply := "-ERR " + command + "\r\n"
			words := strings.Fields(command)
			again := strings.Join(words[:min(2, len(words))], " ") + " again"
			if times[again]++; times[again] > 1 && answers[again] != nil {
				command = again
			}
			for prefix, elements := range answers {
				if command != prefix && (strings.HasSuffix(command, " again") || !strings.HasPrefix(command, prefix+" ")) {
					continue
				}
				reply = ""
				if len(elements) != 1 {
					reply = fmt.Sprintf("*%d\r\n", len(elements))
				}
				for _, e := range elements {
					reply += fmt.Sprintf("$%d\r\n%s\r\n", len(e), e)
				}
			}
			_, _ = io.WriteString(conn, reply)
		}
	}()
	return l.Addr().String()
}

func readCommand(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err != nil {
		return "", err
	}
	var words []string
	for range n {
		if _, err := r.ReadString('\n'); err != nil {
			return "", err
		}
		word, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		words = append(words, strings.TrimRight(word, "\r\n"))
	}
	return strings.Join(words, " "), nil
}

package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/redislua/internal/redistest"
)

// do runs an operation as the sidecar does: JSON in, JSON out.
func do(t *testing.T, g *Gate, op, data string) string {
	t.Helper()
	out, err := g.Do(t.Context(), op, []byte(data))
	if err != nil {
		t.Fatalf("%s %s: %v", op, data, err)
	}
	return string(out)
}

func wantJSON(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func TestOneOrderThroughTheGate(t *testing.T) { oneOrder(t, New(redistest.Open(t))) }

// The scripts use keys that are not among their arguments. On a cluster this works only because of the shared hash tag.
func TestOneOrderThroughAClustersGate(t *testing.T) {
	g := New(redistest.OpenCluster(t))
	oneOrder(t, g)
	var out RunIDOut
	if err := json.Unmarshal([]byte(do(t, g, "run_id", ``)), &out); err != nil || len(out.RunID) != 40 {
		t.Errorf("run_id: %+v, %v, want that of the one master", out, err)
	}
}

func oneOrder(t *testing.T, g *Gate) {
	t.Helper()
	steps := []struct{ op, in, want string }{
		{"hold", `{"order_id":"1","ttl_ms":60000,"lines":[{"product_id":"7","quantity":1}]}`,
			`{"status":"missing","shortages":[],"missing":["7"]}`},
		{"apply", `{"items":[{"product_id":"7","base":5,"version":1},{"product_id":"8","base":1,"version":4,"recorded":[]}]}`,
			`{"items":[{"product_id":"7","base":5,"version":1,"held":0},{"product_id":"8","base":1,"version":4,"held":0}]}`},
		{"hold", `{"order_id":"1","ttl_ms":60000,"lines":[{"product_id":"7","quantity":1},{"product_id":"8","quantity":1},` +
			`{"product_id":"7","quantity":2}]}`,
			`{"status":"held","shortages":[],"missing":[]}`},
		{"hold", `{"order_id":"1","ttl_ms":60000,"lines":[{"product_id":"8","quantity":1},{"product_id":"7","quantity":3}]}`,
			`{"status":"held","shortages":[],"missing":[]}`},
		{"hold", `{"order_id":"2","ttl_ms":60000,"lines":[{"product_id":"7","quantity":3},{"product_id":"8","quantity":1}]}`,
			`{"status":"sold_out","shortages":[{"product_id":"7","available":2},` +
				`{"product_id":"8","available":0}],"missing":[]}`},
		{"hold_many", `{"holds":[{"order_id":"2","ttl_ms":60000,"lines":[{"product_id":"7","quantity":2}]},` +
			`{"order_id":"2","ttl_ms":60000,"lines":[{"product_id":"7","quantity":2}]},` +
			`{"order_id":"3","ttl_ms":60000,"lines":[{"product_id":"7","quantity":1}]},` +
			`{"order_id":"1","ttl_ms":60000,"lines":[{"product_id":"7","quantity":9}]},` +
			`{"order_id":"4","ttl_ms":60000,"lines":[{"product_id":"9","quantity":1}]},` +
			`{"order_id":"5","ttl_ms":60000,"lines":[]}]}`,
			`{"holds":[{"status":"held","shortages":[],"missing":[]},{"status":"held","shortages":[],"missing":[]},` +
				`{"status":"sold_out","shortages":[{"product_id":"7","available":0}],"missing":[]},` +
				`{"status":"failed","shortages":[],"missing":[]},{"status":"missing","shortages":[],"missing":["9"]},` +
				`{"status":"failed","shortages":[],"missing":[]}]}`},
		{"unhold", `{"order_id":"2"}`, `{"status":"released"}`},
		{"inspect", `{"product_ids":["7","9"]}`,
			`{"items":[{"product_id":"7","present":true,"base":5,"version":1,"held":3,"available":2,"orders":{"1":3}},` +
				`{"product_id":"9","present":false,"base":0,"version":0,"held":0,"available":0,"orders":{}}]}`},
		{"held", `{"limit":1}`, `{"product_ids":["7"],"cursor":"7"}`},
		{"held", `{"limit":5,"cursor":"7"}`, `{"product_ids":["8"],"cursor":""}`},
		{"apply", `{"items":[{"product_id":"7","base":2,"version":2,"recorded":["1"]}]}`,
			`{"items":[{"product_id":"7","base":2,"version":2,"held":0}]}`},
		{"apply", `{"items":[{"product_id":"7","base":5,"version":1,"recorded":["1"]}]}`,
			`{"items":[{"product_id":"7","base":2,"version":2,"held":0}]}`},
		{"apply", `{"items":[{"product_id":"7","base":9,"version":1,"instead_of":3}]}`,
			`{"items":[{"product_id":"7","base":2,"version":2,"held":0}]}`},
		{"apply", `{"items":[{"product_id":"7","base":9,"version":1,"instead_of":2}]}`,
			`{"items":[{"product_id":"7","base":9,"version":1,"held":0}]}`},
		{"unhold", `{"order_id":"1"}`, `{"status":"released"}`},
		{"unhold", `{"order_id":"1"}`, `{"status":"absent"}`},
		{"held", `{"limit":5}`, `{"product_ids":[],"cursor":""}`},
		{"due", `{"limit":5}`, `{"holds":[]}`},
	}
	for _, s := range steps {
		wantJSON(t, s.op+" "+s.in, do(t, g, s.op, s.in), s.want)
	}
}

func TestDueHoldsStayUntilSomebodyDecides(t *testing.T) {
	g := New(redistest.Open(t))
	do(t, g, "apply", `{"items":[{"product_id":"7","base":5,"version":1}]}`)
	do(t, g, "hold", `{"order_id":"old","ttl_ms":1,"lines":[{"product_id":"7","quantity":2}]}`)
	do(t, g, "hold", `{"order_id":"new","ttl_ms":60000,"lines":[{"product_id":"7","quantity":1}]}`)
	const listed = `{"holds":[{"order_id":"old","lines":[{"product_id":"7","quantity":2}]}]}`
	waitFor(t, func() bool { return do(t, g, "due", `{"limit":10}`) == listed })
	wantJSON(t, "asking again", do(t, g, "due", `{"limit":10}`), listed)
	wantJSON(t, "extend", do(t, g, "extend", `{"order_id":"old","ttl_ms":60000}`), `{"status":"extended"}`)
	wantJSON(t, "after extend", do(t, g, "due", `{"limit":10}`), `{"holds":[]}`)
	wantJSON(t, "extend an absent hold", do(t, g, "extend", `{"order_id":"nobody","ttl_ms":60000}`), `{"status":"absent"}`)
	wantJSON(t, "no hold was opened", do(t, g, "due", `{"limit":10}`), `{"holds":[]}`)
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	end := time.Now().Add(5 * time.Second)
	for ; !ok(); time.Sleep(2 * time.Millisecond) { //nolint:forbidigo // a poll with an end
		if time.Now().After(end) {
			t.Fatal("it did not happen within 5 s")
		}
	}
}

func TestManyBuyersFewUnits(t *testing.T) {
	g := New(redistest.Open(t))
	do(t, g, "apply", `{"items":[{"product_id":"7","base":20,"version":1},{"product_id":"8","base":20,"version":1}]}`)
	var held atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			out, err := g.Hold(t.Context(), HoldIn{OrderID: fmt.Sprint(i), TTL: 60000, Lines: []Line{{"7", 1}, {"8", 1}}})
			if err != nil {
				t.Errorf("hold %d: %v", i, err)
			}
			if out.Status == "held" {
				held.Add(1)
			}
		})
	}
	wg.Wait()
	if held.Load() != 20 {
		t.Errorf("%d of 200 buyers got one of 20 units", held.Load())
	}
}

func TestScriptsSurviveAForgetfulServer(t *testing.T) {
	rdb := redistest.Open(t)
	g := New(rdb)
	const apply = `{"items":[{"product_id":"7","base":5,"version":1},{"product_id":"8","base":5,"version":1}]}`
	do(t, g, "apply", apply)
	if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "apply without cached scripts", do(t, g, "apply", apply),
		`{"items":[{"product_id":"7","base":5,"version":1,"held":0},{"product_id":"8","base":5,"version":1,"held":0}]}`)
}

func TestLockHasOneWinner(t *testing.T) {
	g := New(redistest.Open(t))
	wantJSON(t, "first", do(t, g, "lock", `{"key":"rebuild:7","owner":"a","ttl_ms":60000}`), `{"acquired":true}`)
	wantJSON(t, "other", do(t, g, "lock", `{"key":"rebuild:7","owner":"b","ttl_ms":60000}`), `{"acquired":false}`)
	wantJSON(t, "again, shorter", do(t, g, "lock", `{"key":"rebuild:7","owner":"a","ttl_ms":1}`), `{"acquired":true}`)
	waitFor(t, func() bool {
		return do(t, g, "lock", `{"key":"rebuild:7","owner":"b","ttl_ms":60000}`) == `{"acquired":true}`
	})
}

func TestLimitRefillsByTheRedisClock(t *testing.T) {
	g := New(redistest.Open(t))
	const one = `{"key":"ip:1","rate":0.5,"burst":2,"cost":1}`
	wantJSON(t, "1st", do(t, g, "limit", one), `{"allowed":true,"retry_after_ms":0}`)
	wantJSON(t, "2nd", do(t, g, "limit", one), `{"allowed":true,"retry_after_ms":0}`)
	var out LimitOut
	if err := json.Unmarshal([]byte(do(t, g, "limit", one)), &out); err != nil {
		t.Fatal(err)
	}
	if out.Allowed || out.RetryAfterMS < 1000 || out.RetryAfterMS > 2000 {
		t.Errorf("3rd: %+v, want a refusal and up to 2 s to wait", out)
	}
	fast := `{"key":"ip:2","rate":1000,"burst":1,"cost":1}`
	do(t, g, "limit", fast)
	waitFor(t, func() bool { return strings.Contains(do(t, g, "limit", fast), `"allowed":true`) })
}

func TestRunIDNamesTheServersLife(t *testing.T) {
	g := New(redistest.Open(t))
	var out RunIDOut
	if err := json.Unmarshal([]byte(do(t, g, "run_id", ``)), &out); err != nil || len(out.RunID) != 40 {
		t.Errorf("run_id: %+v, %v, want 40 characters", out, err)
	}
}

const bucketsJSON = `{"address":{"rate":1,"burst":1},"account":{"rate":1,"burst":1},"place":{"rate":1,"burst":1}}`

func TestMalformedInputIsRefused(t *testing.T) {
	g := New(redistest.Open(t))
	long := strings.Repeat("9", 65)
	for _, c := range []struct{ op, in string }{
		{"nonsense", `{}`},
		{"hold", ``}, {"hold", `[]`}, {"hold", `{"order_id":"1"`}, {"hold", `{"order_id":"1","ttl_ms":1,"lines":[]}`},
		{"hold", `{"order_id":"1","ttl_ms":1,"lines":[{"product_id":"7","quantity":0}]}`},
		{"hold", `{"order_id":"1","ttl_ms":1,"lines":[{"product_id":"7","quantity":-1}]}`},
		{"hold", `{"order_id":"1","ttl_ms":1,"lines":[{"product_id":"7","quantity":1.5}]}`},
		{"hold", `{"order_id":"1","ttl_ms":1,"lines":[{"product_id":"7","quantity":"1"}]}`},
		{"hold", `{"order_id":"1","ttl_ms":1,"lines":[{"product_id":"7","quantity":1000000001}]}`},
		{"hold", `{"order_id":"1","ttl_ms":0,"lines":[{"product_id":"7","quantity":1}]}`},
		{"hold", `{"order_id":1,"ttl_ms":1,"lines":[{"product_id":"7","quantity":1}]}`},
		{"hold", `{"order_id":"a}b","ttl_ms":1,"lines":[{"product_id":"7","quantity":1}]}`},
		{"hold", `{"order_id":"` + long + `","ttl_ms":1,"lines":[{"product_id":"7","quantity":1}]}`},
		{"hold", `{"order_id":"1","ttl_ms":1,"lines":[{"product_id":"7","quantity":1}],"more":1}`},
		{"hold", `{"order_id":"1","ttl_ms":1,"lines":[{"product_id":"7","quantity":1}]} {}`},
		{"hold_many", `{}`}, {"hold_many", `{"holds":[` + strings.Repeat(`{},`, 64) + `{}]}`},
		{"hold_many", `{"holds":[{"lines":[` + strings.Repeat(`{},`, 256) + `{}]}]}`},
		{"hold_many", `{"holds":[{"more":1}]}`},
		{"unhold", `{}`}, {"extend", `{"order_id":"1"}`}, {"due", `{}`}, {"due", `{"limit":100000}`},
		{"held", `{"limit":-1}`},
		{"apply", `{"items":[]}`}, {"apply", `{"items":[{"product_id":"7","version":1}]}`},
		{"apply", `{"items":[{"product_id":"7","base":1}]}`},
		{"apply", `{"items":[{"product_id":"7","base":-1,"version":1}]}`},
		{"apply", `{"items":[{"product_id":"7","base":1,"version":1,"instead_of":-1}]}`},
		{"apply", `{"items":[{"product_id":"7","base":1,"version":1,"recorded":[""]}]}`},
		{"inspect", `{"product_ids":["\u0000"]}`}, {"run_id", `{"x":1}`},
		{"lock", `{"key":"a b","owner":"a","ttl_ms":1}`}, {"lock", `{"key":"a","owner":"","ttl_ms":1}`},
		{"limit", `{"key":"a","rate":0,"burst":1,"cost":1}`}, {"limit", `{"key":"a","rate":1,"burst":1,"cost":2}`},
		{"limit", `{"key":"a","rate":1,"burst":1,"cost":0}`},
		{"attempt", `{"account":"a","address":"b"}`}, {"attempt",
			`{"account":"a b","address":"b","buckets":` + bucketsJSON + `}`},
		{"settle", `{"account":"a","address":"b","place":"a:c","buckets":` + bucketsJSON + `}`},
	} {
		if out, err := g.Do(t.Context(), c.op, []byte(c.in)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s %s: %s, %v, want invalid input", c.op, c.in, out, err)
		}
	}
	do(t, g, "apply", `{"items":[{"product_id":"7","base":5,"version":1}]}`)
	do(t, g, "hold", `{"order_id":"1","ttl_ms":60000,"lines":[{"product_id":"7","quantity":1}]}`)
	if out, err := g.Do(t.Context(), "hold", []byte(
		`{"order_id":"1","ttl_ms":1,"lines":[{"product_id":"7","quantity":2}]}`)); !errors.Is(err, ErrInvalid) {
		t.Errorf("other lines for an open hold: %s, %v, want a refusal", out, err)
	}
}

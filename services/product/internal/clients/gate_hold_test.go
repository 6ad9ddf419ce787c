package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"daprmall.dev/services/product/internal/inventory"
)

// slowBinding answers nothing before it is released, and records how many holds each call had. It fails calls of
// several holds with many, and each hold of several whose order is in bad.
type slowBinding struct {
	release chan struct{}
	many    error
	bad     []string

	mu    sync.Mutex
	calls []string
}

func (b *slowBinding) Bind(ctx context.Context, _, operation string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	var said struct {
		holdIn
		Holds []holdIn `json:"holds"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return err
	}
	b.mu.Lock()
	b.calls = append(b.calls, fmt.Sprintf("%s %d", operation, len(said.Holds)))
	b.mu.Unlock()
	select {
	case <-b.release:
	case <-ctx.Done():
		return ctx.Err()
	}
	if operation == "hold" {
		if slices.Contains(b.bad, said.OrderID) {
			return errors.New("malformed")
		}
		return json.Unmarshal([]byte(`{"status":"held"}`), out)
	}
	if b.many != nil {
		return b.many
	}
	var answers []string
	for _, h := range said.Holds {
		if status := "held"; slices.Contains(b.bad, h.OrderID) {
			answers = append(answers, `{"status":"failed"}`)
		} else {
			answers = append(answers, fmt.Sprintf(`{"status":%q,"missing":[%q]}`, status, h.OrderID))
		}
	}
	return json.Unmarshal([]byte(`{"holds":[`+strings.Join(answers, ",")+`]}`), out)
}

// crowd holds one line for each of n orders while a first hold is on its way, and returns the errors.
func (b *slowBinding) crowd(t *testing.T, g *Gate, n int) (errs []error) {
	t.Helper()
	b.release = make(chan struct{})
	var wg sync.WaitGroup
	errs = make([]error, n)
	send := func(i int) {
		lines := []inventory.Line{{ProductID: "7", Quantity: 1}}
		v, err := g.Hold(t.Context(), fmt.Sprint(i), lines, singleFor)
		if errs[i] = err; err == nil && (v.Status != "held" || len(v.Missing) > 0 && v.Missing[0] != fmt.Sprint(i)) {
			t.Errorf("order %d got the answer %+v", i, v)
		}
	}
	wg.Go(func() { send(0) })
	for b.seen() == 0 {
		runtime.Gosched()
	}
	for i := 1; i < n; i++ {
		wg.Go(func() { send(i) })
	}
	for b.seen() == 1 { // the first is overtaken, by all that have come
		runtime.Gosched()
	}
	close(b.release)
	wg.Wait()
	return errs
}

func (b *slowBinding) seen() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

// Holds that arrive while a call is on its way share the next one. One of which the component has no answer is sent
// again by itself, and fails alone.
func TestHoldsThatArriveTogetherShareACall(t *testing.T) {
	b := &slowBinding{bad: []string{"5"}}
	for i, err := range b.crowd(t, NewGate(b), 40) {
		if (err != nil) != (i == 5) {
			t.Errorf("order %d: %v", i, err)
		}
	}
	if len(b.calls) > 20 {
		t.Errorf("40 holds were sent by %d calls: %v", len(b.calls), b.calls)
	}
}

// Beside a component of an earlier version, and beside a sidecar that has not asked the new one, holds are sent one by
// one, without asking again each time.
func TestAnOldComponentGetsSingleHolds(t *testing.T) {
	for _, refusal := range []string{
		"rpc error: code = Internal desc = binding redis-lua does not support operation hold_many. supported operations:hold",
		`rpc error: code = InvalidArgument desc = invalid input: operation "hold_many"`,
		"rpc error: code = PermissionDenied desc = operation hold_many is not for this app",
	} {
		b := &slowBinding{many: errors.New(refusal)}
		g := NewGate(b)
		for range 2 {
			for i, err := range b.crowd(t, g, 30) {
				if err != nil {
					t.Errorf("%s: order %d: %v", refusal, i, err)
				}
			}
			b.calls = slices.DeleteFunc(b.calls, func(c string) bool { return c == "hold 0" })
			if len(b.calls) > 2 {
				t.Errorf("%s: asked again: %v", refusal, b.calls)
			}
		}
	}
}

// A gate that is down fails all, without a second call for each.
func TestAGateThatIsDownFailsTheCrowd(t *testing.T) {
	b := &slowBinding{many: errors.New("binding redis-lua hold_many: down"), bad: []string{"0"}}
	failed := 0
	for _, err := range b.crowd(t, NewGate(b), 30) {
		if err != nil {
			failed++
		}
	}
	if failed < 10 || len(b.calls) > 20 {
		t.Errorf("%d of 30 holds failed, by %d calls", failed, len(b.calls))
	}
}

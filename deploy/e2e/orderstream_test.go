//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// follower is a page that shows an order: whatever happens to its stream, it opens it again with the last id.
type follower struct {
	order string
	last  string
	seen  []string
	late  []time.Duration // from the entry's time to its arrival, of those that came live
	open  chan struct{}   // closed after the first entry
}

// run follows the order until it has a status that ends the test.
func (f *follower) run(ctx context.Context, t *testing.T, me *apiclient.Client) {
	t.Helper()
	for !slices.Contains(f.seen, "paid") && !slices.Contains(f.seen, "cancelled") {
		opened := time.Now()
		err := me.Events(ctx, "/v1/orders/"+f.order+"/events", f.last, func(e apiclient.Event) error {
			var entry struct {
				Status string
				At     time.Time
			}
			if err := json.Unmarshal([]byte(e.Data), &entry); err != nil {
				t.Errorf("order %s: event %q: %v", f.order, e.Data, err)
			}
			if f.last == "" {
				close(f.open)
			}
			f.seen, f.last = append(f.seen, entry.Status), e.ID
			if entry.At.After(opened) {
				f.late = append(f.late, time.Since(entry.At))
			}
			if entry.Status != "awaiting_payment" {
				return context.Canceled // a page that is closed
			}
			return nil
		})
		if ctx.Err() != nil {
			t.Errorf("order %s: %v, last %v", f.order, f.seen, err)
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}

// Whatever is killed or restarted while the streams are open, each page sees each status of its order once, and sees it
// soon.
func TestAStreamResumesWithoutGapOrRepeat(t *testing.T) {
	me, address := shopper(t)
	other, _ := shopper(t)
	p := product(t, "Followed tea", 300, 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var followers []*follower
	for _, action := range [][]string{nil, {"kill", "order"}, {"kill", "api-gateway"}, {"restart", "order"},
		{"restart", "api-gateway"}} {
		var pages sync.WaitGroup
		var now []*follower
		for range 4 {
			f := &follower{order: order(t, me, address, p.ID, 1).ID, open: make(chan struct{})}
			now = append(now, f)
			pages.Go(func() { f.run(ctx, t, me) })
		}
		followers = append(followers, now...)
		for _, f := range now {
			select {
			case <-f.open:
			case <-ctx.Done():
				t.Fatal("a page is still empty")
			}
		}
		if a := do(t, other, http.MethodGet, "/v1/orders/"+now[0].order+"/events", nil); a.Status != http.StatusNotFound {
			t.Errorf("somebody else's order: %s", a)
		}
		change := func(f *follower, i int) {
			err := eventually(ctx, waitFor, func() error {
				if i%2 == 0 {
					return me.Want(ctx, http.StatusOK, http.MethodPost, "/v1/orders/"+f.order+"/cancel", nil, nil,
						"Idempotency-Key", "cancel-"+f.order)
				}
				return me.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/payments", map[string]any{"order_id": f.order,
					"card": map[string]any{"number": apiclient.CardGood, "exp_month": 12, "exp_year": 2035, "cvc": "123"}}, nil,
					"Idempotency-Key", "pay-"+f.order)
			})
			if err != nil {
				t.Error(err)
			}
		}
		change(now[0], 0)
		change(now[1], 1)
		if action != nil {
			mustMall(t, action...)
		}
		change(now[2], 0)
		change(now[3], 1)
		pages.Wait()
	}
	var late []time.Duration
	for _, f := range followers {
		var history []string
		var o apiclient.Order
		err := eventually(ctx, waitFor, func() (err error) { o, err = me.Order(ctx, f.order); return err })
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range o.History {
			history = append(history, h.Status)
		}
		if !slices.Equal(f.seen, history) {
			t.Errorf("order %s: the page saw %v, the history is %v", f.order, f.seen, history)
		}
		late = append(late, f.late...)
	}
	slices.Sort(late)
	if len(late) > 0 {
		t.Logf("%d of %d statuses came live: half within %s, all within %s", len(late), len(followers), late[len(late)/2],
			late[len(late)-1])
	}
}

// A stream ends when its user signs out, and a finished order's client is told not to come back.
func TestAStreamEndsWithTheSession(t *testing.T) {
	t.Parallel()
	me, address := shopper(t)
	o := order(t, me, address, product(t, "Watched tea", 300, 10).ID, 1)
	opened := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- me.Events(t.Context(), "/v1/orders/"+o.ID+"/events", "", func(apiclient.Event) error {
			close(opened)
			return nil
		})
	}()
	<-opened
	if err := me.Want(t.Context(), http.StatusNoContent, http.MethodDelete, "/v1/sessions/current", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the stream was cut off: %v", err)
	}
}

func TestWhoDoesNotAcceptAStreamIsTold(t *testing.T) {
	t.Parallel()
	me, address := shopper(t)
	path := "/v1/orders/" + order(t, me, address, product(t, "Refused tea", 300, 10).ID, 1).ID + "/events"
	if a := do(t, me, http.MethodGet, path, nil, "Accept", "application/json"); a.Code() != "not_acceptable" {
		t.Errorf("as JSON: %s", a)
	}
	if a := do(t, me, http.MethodGet, path, nil); !strings.Contains(string(a.Body), "awaiting_payment") {
		t.Errorf("the first event: %s", a)
	}
}

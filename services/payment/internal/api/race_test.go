package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// Repeats of one request, other requests and the cancellation of the order happen at the same time: a captured payment
// is published once, at most once per order, and all answers of one key are equal.
func TestConcurrentPaymentsOfOneOrderCaptureOnce(t *testing.T) {
	s := openService(t)
	deadlocks := postgrestest.Deadlocks(t, s.db)
	const orders, keys, repeats = 12, 3, 3
	for n := range orders {
		order := fmt.Sprint(100 + n)
		s.placed(order)
		var wg sync.WaitGroup
		var mu sync.Mutex
		created := map[string]int{} // by body
		for k := range keys {
			for range repeats {
				wg.Go(func() {
					answer, _, _ := s.pay(fmt.Sprint(order, "-", k), order, "4242424242424242")
					mu.Lock()
					defer mu.Unlock()
					switch answer.Code {
					case http.StatusCreated:
						created[answer.Body.String()]++
					case http.StatusConflict:
					default:
						t.Errorf("order %s: %d %s", order, answer.Code, answer.Body)
					}
				})
			}
		}
		if n%2 == 0 {
			wg.Go(func() { s.cancelled(order) })
		}
		wg.Wait()
		paid := 0
		for body := range created {
			if strings.Contains(body, `"succeeded"`) {
				paid++
			}
		}
		var kept struct{ Told, Succeeded, All int }
		err := s.db.Raw(`SELECT (SELECT count(*) FROM outbox WHERE key = ?) AS told, count(*) FILTER (WHERE order_id = ?) AS
			succeeded, count(*) AS all
			FROM payments WHERE status = 'succeeded'`, order, order).Scan(&kept).Error
		if err != nil || paid > 1 || kept.Told != paid || kept.Succeeded != paid {
			t.Errorf("order %s: answered %v, stored %+v, %v", order, created, kept, err)
		}
		var captured int
		if err := s.bank.DB.Raw("SELECT count(*) FROM charges WHERE captured > 0").Scan(&captured).Error; err != nil ||
			captured != kept.All {
			t.Errorf("captured %d times in all, stored %d, %v", captured, kept.All, err)
		}
	}
	if n := deadlocks.Load(); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
}

func (s *service) cancelled(order string) {
	data, err := json.Marshal(orderv1.Cancelled{OrderID: order, UserID: contractstest.UserID, AggregateVersion: 2,
		Total: 210, Currency: "CNY", At: time.Now()})
	if err != nil {
		s.t.Error(err)
		return
	}
	event, err := json.Marshal(outbox.CloudEvent{SpecVersion: "1.0", ID: "cancelled-" + order, Source: "order",
		Type: orderv1.TypeCancelled, Subject: order, Data: data})
	if err != nil {
		s.t.Error(err)
		return
	}
	if err := s.in.Receive(s.t.Context(), event)[0]; err != nil {
		s.t.Error(err)
	}
}

package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/payment/internal/api"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
)

type effects struct{ n atomic.Int64 }

func (e *effects) Next() (string, error) { return strconv.FormatInt(e.n.Add(1), 10), nil }

// orders is the order service with one order. It counts the calls.
type orders struct {
	asked atomic.Int64
	bill  *payment.Bill
}

func (o *orders) Payable(context.Context, string) (*payment.Bill, error) {
	o.asked.Add(1)
	return o.bill, nil
}

// service is payment without its sidecar. Its statements are counted.
type service struct {
	t       *testing.T
	routes  http.Handler
	in      *inbox.Inbox
	db      *gorm.DB
	orders  orders
	watched *postgrestest.Watched
	bank    *postgrestest.Watched
}

func openService(t *testing.T) *service {
	t.Helper()
	return openServiceOn(t, func(s *store.Store) payment.Store { return s })
}

// openServiceOn opens a service with another view of its store.
func openServiceOn(t *testing.T, view func(*store.Store) payment.Store) *service {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &service{t: t, db: postgrestest.Open(t, outbox.Migrations, inbox.Migrations, idempotency.Migrations,
		store.Migrations)}
	s.watched, s.bank = postgrestest.Watch(s.db), postgrestest.Watch(postgrestest.Open(t, sandbox.Migrations))
	out, server := outbox.New(s.watched.DB, "payment", nil, log), contractstest.NewServer("payment")
	s.in, s.routes = inbox.New(s.db, nil, log), server
	keys := idempotency.New(s.watched.DB, &effects{}, []byte("secret"), log)
	payments := payment.NewService(view(store.New(s.watched.DB, out)), &s.orders, keys,
		[]payment.Provider{sandbox.New(s.bank.DB)}, func() string { return "sandbox" }, log)
	api.Routes(server, s.in, out, keys, payments)
	return s
}

// pay pays an order. It returns the answer and the numbers of statements here and in the sandbox's database.
func (s *service) pay(key, order, card string) (answer *httptest.ResponseRecorder, here, bank int) {
	s.t.Helper()
	here, bank = s.watched.Runs(), s.bank.Runs()
	body := fmt.Sprintf(`{"order_id":%q,"card":{"number":%q,"exp_month":12,"exp_year":2035,"cvc":"123"}}`, order, card)
	req := httptest.NewRequest(http.MethodPost, "/v1/payments", strings.NewReader(body))
	req.Header.Set("Idempotency-Key", key)
	contractstest.Authorize(req, "api-gateway", "")
	answer = httptest.NewRecorder()
	s.routes.ServeHTTP(answer, req)
	return answer, s.watched.Runs() - here, s.bank.Runs() - bank
}

func (s *service) placed(order string) {
	s.t.Helper()
	data, err := json.Marshal(orderv1.Placed{OrderID: order, UserID: contractstest.UserID, AggregateVersion: 1, Total: 210,
		Currency: "CNY",
		PlacedAt: time.Now(), PaymentDueAt: time.Now().Add(time.Minute)})
	if err != nil {
		s.t.Fatal(err)
	}
	event, err := json.Marshal(outbox.CloudEvent{SpecVersion: "1.0", ID: "placed-" + order, Source: "order",
		Type: orderv1.TypePlaced, Subject: order, Data: data})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.in.Receive(s.t.Context(), event)[0]; err != nil {
		s.t.Fatal(err)
	}
}

// A payment takes three statements here, each its own transaction if nobody else pays, and two at the provider, because
// changes at the same moment are made by one statement. docs/performance.md relies on this.
func TestAPaymentTakesFiveStatements(t *testing.T) {
	s := openService(t)
	s.placed("100")
	answer, here, bank := s.pay("k1", "100", "4242424242424242")
	if answer.Code != http.StatusCreated || !strings.Contains(answer.Body.String(), `"status":"succeeded"`) {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if here > 3 || bank > 2 {
		t.Errorf("%d statements here, %d at the provider, want 3 and 2", here, bank)
	}
	again, _, bank := s.pay("k1", "100", "4242424242424242")
	if again.Code != answer.Code || again.Body.String() != answer.Body.String() ||
		again.Header().Get("Idempotent-Replayed") != "true" || bank > 0 {
		t.Errorf("again: %d %s, %d statements at the provider", again.Code, again.Body, bank)
	}
	if again, _, _ = s.pay("k1", "100", sandbox.Declines); again.Code != http.StatusUnprocessableEntity {
		t.Errorf("the key of another request: %d %s", again.Code, again.Body)
	}
	if other, _, bank := s.pay("k2", "100", "4242424242424242"); other.Code != http.StatusConflict || bank > 0 ||
		!strings.Contains(other.Body.String(), "already_paid") {
		t.Errorf("paid already: %d %s", other.Code, other.Body)
	}
}

// A payment that arrives before the order's event waits for the bill. This costs the first statement, which came too
// early, and perhaps one look at the database.
func TestWaitingForTheBillCostsOneStatementMore(t *testing.T) {
	s := openService(t)
	young := strconv.FormatInt(ids.FirstAt(time.Now()), 10)
	s.orders.bill = &payment.Bill{OrderID: young, UserID: contractstest.UserID, Amount: 210, Currency: "CNY",
		DueAt: time.Now().Add(time.Minute), Status: payment.Open}
	paid := make(chan *httptest.ResponseRecorder, 1)
	before := s.watched.Runs()
	go func() {
		answer, _, _ := s.pay("k1", young, "4242424242424242")
		paid <- answer
	}()
	s.watched.Await(before + 1) // until its first statement has run
	s.placed(young)
	if answer := <-paid; answer.Code != http.StatusCreated ||
		!strings.Contains(answer.Body.String(), `"status":"succeeded"`) {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	opening, look := 1, 1
	if n := s.watched.Runs() - before - opening; n > 4+look || s.orders.asked.Load() > 0 {
		t.Errorf("%d statements and %d calls of order, want %d and none", n, s.orders.asked.Load(), 4+look)
	}
}

// If the event does not arrive in time, order is asked once.
func TestOrderIsAskedIfItsEventDoesNotArrive(t *testing.T) {
	s := openService(t)
	young := strconv.FormatInt(ids.FirstAt(time.Now()), 10)
	s.orders.bill = &payment.Bill{OrderID: young, UserID: contractstest.UserID, Amount: 210, Currency: "CNY",
		DueAt: time.Now().Add(time.Minute), Status: payment.Open}
	answer, _, _ := s.pay("k1", young, "4242424242424242")
	if answer.Code != http.StatusCreated || !strings.Contains(answer.Body.String(), `"status":"succeeded"`) ||
		s.orders.asked.Load() != 1 {
		t.Errorf("%d %s, order asked %d times", answer.Code, answer.Body, s.orders.asked.Load())
	}
}

package api_test

import (
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/order/internal/api"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

func TestOrderKeepsItsContract(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, outbox.Migrations, inbox.Migrations, idempotency.Migrations, store.Migrations)
	out, in := outbox.New(db, "order", nil, log), inbox.New(db, nil, log)
	orders := order.NewService(store.New(db, out), nil, func() time.Duration { return time.Minute },
		func() time.Duration { return 0 })
	s := contractstest.NewServer("order")
	api.Routes(s, in, out, idempotency.New(db, nil, nil, log), orders)
	fenced, unknown := contractstest.Example[orderv1.CreateRequest]("createOrder"),
		contractstest.Example[orderv1.AddressRequest]("changeOrderAddress")
	second := fenced
	one := map[string]string{orderv1.QueryMaxOpen: "1"}
	fenced.OrderID, unknown.OrderID, second.OrderID = "7002", "7003", "7004"
	contractstest.CheckService(t, "order", s, in, append([]contractstest.Refusal{
		{Name: "createOrder", Code: "order_id_taken", As: "43"},
		{Name: "createOrder", Code: "checkout_expired", In: fenced, Before: func() {
			if exists, err := orders.Fence(t.Context(), "7002"); err != nil || exists {
				t.Fatalf("fence: %v, %v", exists, err)
			}
		}},
		{Name: "createOrder", Code: "too_many_open_orders", In: second, Query: one, Before: func() {
			draft := order.Draft{ID: "7005", UserID: contractstest.UserID, Currency: "CNY",
				Lines: []order.Line{{ProductID: "501", SellerID: "5", Name: "Teapot", Price: 1, Quantity: 1}}}
			if _, err := orders.Place(t.Context(), draft); err != nil {
				t.Fatal(err)
			}
		}},
		{Name: "cancelOrder", Code: "forbidden", As: "43"},
		{Name: "cancelOrder", Code: "not_found", In: orderv1.CancelRequest{OrderID: "7003", EffectID: "9001"}},
		{Name: "cancelOrder", Code: "order_not_cancellable", In: orderv1.CancelRequest{OrderID: "7001", EffectID: "9002"}},
		{Name: "getOrderHistory", Code: "not_found", As: "43"},
		{Name: "changeOrderAddress", Code: "not_found", In: unknown},
		{Name: "changeOrderAddress", Code: "order_not_changeable"}, // the example of cancelOrder has cancelled it
	}, contractstest.FeedRefusals(t, func(sql string) error { return db.Exec(sql).Error })...)...)
}

package audit

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"daprmall.dev/services/contracts/orderv1"
)

// orderStates are the states of an order, with the states that its bill and its reservations must have then, and the
// event of the transition.
var orderStates = map[string]struct{ bill, stock, event string }{
	"awaiting_payment": {"open", "reserved", orderv1.TypePlaced},
	"paid":             {"paid", "deducted", orderv1.TypePaid},
	"cancelled":        {"closed", "released", orderv1.TypeCancelled},
	"refunded":         {"refunded", "released", ""}, // payment publishes the event of this transition
}

// quoted makes a list of literals for a query.
func quoted(words []string) string {
	slices.Sort(words)
	return "'" + strings.Join(words, "', '") + "'"
}

// order is an order as its service has it. Times are ages in seconds: since the last change, the creation, the due
// time.
type order struct {
	status, currency, payment   string
	total                       int64
	lines                       int64
	age, sinceCreated, sinceDue float64
}

func (f *facts) loadOrders(ctx context.Context, r *serviceDB) error {
	f.orders, f.soldUnits = map[int64]order{}, map[int64]int64{}
	err := r.lines(ctx, `SELECT concat_ws(' ', o.id, o.status, o.currency, o.payment_id, o.total, coalesce(l.lines, 0), `+
		age("o.updated_at")+`, `+age("o.created_at")+`, `+age("o.payment_due_at")+`)
		FROM all_orders o LEFT JOIN (SELECT order_id, `+hashLines+
		` AS lines FROM all_order_lines GROUP BY 1) l ON l.order_id = o.id`,
		func(l *line) {
			f.orders[l.int()] = order{status: l.word(), currency: l.word(), payment: l.text(), total: l.int(), lines: l.int(),
				age: l.seconds(), sinceCreated: l.seconds(), sinceDue: l.seconds()}
		})
	if err != nil {
		return err
	}
	err = r.each(ctx, `SELECT product_id, sum(quantity) FROM all_order_lines JOIN all_orders ON id = order_id
		WHERE status = 'paid' GROUP BY 1`, nil, func(rows *sql.Rows) error {
		var id, n int64
		err := rows.Scan(&id, &n)
		f.soldUnits[id] = n
		return err
	})
	if err != nil {
		return err
	}
	unknown, err := r.faults(ctx, ruleStates, `SELECT 'order ' || order_id, format('its history says %s', status)
		FROM all_order_history WHERE status NOT IN (`+quoted(slices.Collect(maps.Keys(orderStates)))+`)`, false)
	if err != nil {
		return err
	}
	f.orderFaults = append(f.orderFaults, unknown...)
	return r.each(ctx, `SELECT id FROM all_orders JOIN all_order_ids ON order_id = id WHERE fenced`, nil,
		func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			f.fencedOrders = append(f.fencedOrders, id)
			return err
		})
}

const (
	rulePaid  = "a paid order ⇔ one settled payment of its amount"
	ruleBack  = "a cancelled order: net money 0"
	ruleBill  = "an order's bill"
	ruleStock = "an order's stock"
	ruleOwner = "no money or stock without an order"
	ruleFence = "a fenced id has no order"

	ruleStates = "every state is known"
)

// orderBook compares every order with its payments, its bill and its reservations.
func (f *facts) orderBook(b *Book) {
	paidBy := map[int64][]payment{}
	for _, p := range f.payments {
		if p.status == "succeeded" || p.status == "refunded" {
			paidBy[p.order] = append(paidBy[p.order], p)
		}
	}
	for id, o := range f.orders {
		subject := fmt.Sprintf("order %d", id)
		if _, known := orderStates[o.status]; !known {
			b.add(Violation, ruleStates, subject, "it is %s", o.status)
			continue
		}
		bill, billed := f.bills[id]
		f.orderMoney(b, subject, o, bill, paidBy[id])
		f.orderBill(b, subject, o, bill, billed, slices.ContainsFunc(paidBy[id], returning))
		f.orderStock(b, subject, id, o)
	}
	for product, sold := range f.soldUnits {
		if s := f.stock[product]; sold > s.everAdded && !s.untracked {
			// Sold and put are read a moment apart, but nothing can be sold before it was put.
			b.add(Violation, ruleSoldUnits, fmt.Sprintf("product %d", product),
				"%d units in paid orders, %d were ever put in stock", sold, s.everAdded)
		}
	}
	for id, bill := range f.bills {
		if _, ok := f.orders[id]; !ok {
			b.add(level(bill.age), ruleOwner, fmt.Sprintf("order %d", id), "it does not exist but has a bill of %d",
				bill.amount)
		}
	}
	for id, v := range f.reservations {
		if _, ok := f.orders[id]; !ok {
			b.add(level(v.age), ruleOwner, fmt.Sprintf("order %d", id), "it does not exist but has %s stock", v.minState)
		}
	}
	for id, age := range f.rejections {
		if _, ok := f.orders[id]; !ok {
			b.add(level(age), ruleOwner, fmt.Sprintf("order %d", id), "it does not exist but its stock was rejected")
		}
	}
	for _, id := range f.fencedOrders {
		b.add(Violation, ruleFence, fmt.Sprintf("order %d", id), "it exists although its hold was released through the fence")
	}
	b.report(f.orderFaults)
	b.report(f.liveAndArchived)
	b.look("%d orders against %d payments, %d bills, %d reservations, %d rejections", len(f.orders), len(f.payments),
		len(f.bills), len(f.reservations), len(f.rejections))
}

func (f *facts) orderMoney(b *Book, subject string, o order, bill bill, paid []payment) {
	age := o.age
	if bill.status != "" {
		age = min(age, bill.age)
	}
	kept := make([]payment, 0, 1)
	for _, p := range paid {
		age = min(age, p.age)
		if p.status == "succeeded" && !p.returning {
			kept = append(kept, p)
		}
	}
	switch o.status {
	case "paid":
		if len(kept) != 1 {
			b.add(level(age), rulePaid, subject, "it is paid and has %d settled payments %s", len(kept), ids(kept))
			return
		}
		if p := kept[0]; strconv.FormatInt(p.id, 10) != o.payment || p.amount != o.total || p.currency != o.currency {
			b.add(level(age), rulePaid, subject, "it names payment %s of %d %s, but payment %d of %d %s is settled", o.payment,
				o.total, o.currency, p.id, p.amount, p.currency)
		}
	case "awaiting_payment":
		if len(kept) > 0 {
			b.add(level(age), rulePaid, subject, "it awaits payment and has settled payments %s", ids(kept))
		}
	case "cancelled", "refunded":
		if len(kept) > 0 {
			b.add(level(age), ruleBack, subject, "it is %s and keeps payments %s", o.status, ids(kept))
			return
		}
		back := slices.ContainsFunc(paid, func(p payment) bool {
			return p.status == "refunded" && p.amount == o.total && p.currency == o.currency
		})
		// only order knows which of them is the order's own
		if back != (o.status == "refunded") && !slices.ContainsFunc(paid, returning) {
			b.add(level(age), ruleBack, subject, "it is %s and has %d refunded payments", o.status, len(paid))
		}
	}
}

func returning(p payment) bool { return p.returning }

func ids(list []payment) string {
	out := make([]int64, len(list))
	for i, p := range list {
		out[i] = p.id
	}
	return fmt.Sprint(out)
}

func (f *facts) orderBill(b *Book, subject string, o order, bill bill, billed, returning bool) {
	switch {
	case !billed:
		b.add(level(o.sinceCreated), ruleBill, subject, "it is %s and has no bill", o.status)
	case bill.amount != o.total || bill.currency != o.currency:
		b.add(Violation, ruleBill, subject, "its total is %d %s, but its bill is %d %s", o.total, o.currency, bill.amount,
			bill.currency)
	case returning && (o.status == "cancelled" || o.status == "refunded") &&
		bill.status != "open": // until all money is back
	case bill.status != orderStates[o.status].bill:
		b.add(level(min(o.age, bill.age)), ruleBill, subject, "it is %s, its bill is %s", o.status, bill.status)
	}
}

func (f *facts) orderStock(b *Book, subject string, id int64, o order) {
	v, recorded := f.reservations[id]
	refused, rejected := f.rejections[id]
	over := o.status == "cancelled" || o.status == "refunded"
	switch want := orderStates[o.status].stock; {
	case rejected && recorded:
		b.add(Violation, ruleStock, subject, "its stock was rejected and is %s", v.minState)
	case rejected && !over:
		b.add(level(refused), ruleStock, subject, "it is %s and its stock was rejected", o.status)
	case rejected:
	case !recorded:
		b.add(level(o.sinceCreated), ruleStock, subject, "it is %s and product has no reservation", o.status)
	case v.lines != o.lines:
		b.add(Violation, ruleStock, subject, "its lines and its reservations differ")
	case v.minState != want || v.maxState != want:
		b.add(level(min(o.age, v.age)), ruleStock, subject, "it is %s, its stock is %s", o.status, states(v))
	}
}

func states(v reserved) string {
	if v.minState == v.maxState {
		return v.minState
	}
	return v.minState + " and " + v.maxState
}

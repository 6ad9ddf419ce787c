package audit

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"daprmall.dev/services/contracts/paymentv1"
)

type payment struct {
	id, order, amount          int64
	currency, status, provider string
	opened                     bool // the provider's id is known
	returning                  bool // the provider has accepted a refund, which is not done yet
	age, sinceCreated          float64
}

type bill struct {
	amount           int64
	currency, status string
	age              float64
}

type refund struct {
	payment, amount int64
	done            bool
	status          string
	age             float64
}

// charge is a row of the sandbox provider's own database; its key is the payment's id.
type charge struct {
	amount, captured, refunded int64
	currency, state            string
	age                        float64
}

func (f *facts) loadPayments(ctx context.Context, r *serviceDB) error {
	f.payments, f.bills = map[int64]payment{}, map[int64]bill{}
	err := r.lines(ctx, `SELECT concat_ws(' ', id, order_id, amount, currency, CASE WHEN next_action IS NULL THEN status
		ELSE 'requires_action' END, provider, provider_id <> '', `+age("updated_at")+`, `+age("created_at")+
		`) FROM all_payments`, func(l *line) {
		p := payment{id: l.int(), order: l.int(), amount: l.int(), currency: l.word(), status: l.word(), provider: l.word(),
			opened: l.bool(), age: l.seconds(), sinceCreated: l.seconds()}
		f.payments[p.id] = p
	})
	if err != nil {
		return err
	}
	err = r.lines(ctx, `SELECT concat_ws(' ', order_id, amount, currency, status, `+age("updated_at")+`) FROM all_bills`,
		func(l *line) {
			f.bills[l.int()] = bill{amount: l.int(), currency: l.word(), status: l.word(), age: l.seconds()}
		})
	if err != nil {
		return err
	}
	err = r.lines(ctx, `SELECT concat_ws(' ', payment_id, amount, done_at IS NOT NULL, status, `+age("created_at")+
		`) FROM all_refunds`, func(l *line) {
		r := refund{payment: l.int(), amount: l.int(), done: l.bool(), status: l.word(), age: l.seconds()}
		f.refunds = append(f.refunds, r)
		if p, ok := f.payments[r.payment]; ok && r.status == "pending" && !r.done {
			p.returning = true
			f.payments[r.payment] = p
		}
	})
	if err != nil {
		return err
	}
	return f.compareWithOutbox(ctx, r, `
		SELECT order_id::text AS key, '`+paymentv1.TypeSucceeded+`' AS type, count(*) AS n, max(updated_at) AS at
			FROM all_payments WHERE status IN ('succeeded', 'refunded') GROUP BY 1
		UNION ALL SELECT order_id::text, '`+paymentv1.TypeRefunded+`', count(*), max(coalesce(told_at, done_at))
			FROM all_refunds JOIN all_payments ON id = payment_id
			WHERE coalesce(told_at, done_at) IS NOT NULL GROUP BY 1`) // told once, even if the money came back
}

func (f *facts) loadCharges(ctx context.Context, r *serviceDB) error {
	f.charges = map[string]charge{}
	return r.lines(ctx, `SELECT concat_ws(' ', ref, amount, captured, refunded, currency, state, `+age("created_at")+
		`) FROM charges`, func(l *line) {
		f.charges[l.text()] = charge{amount: l.int(), captured: l.int(), refunded: l.int(), currency: l.word(),
			state: l.word(), age: l.seconds()}
	})
}

const (
	ruleCharge   = "a payment = what the provider did"
	ruleNoCharge = "no charge without a payment"
	ruleFree     = "only what costs nothing is paid without a provider"
)

// noProvider is the provider of payments of orders that cost nothing.
const noProvider = "none"

// paymentStates are what an attempt may be.
var paymentStates = []string{"processing", "requires_action", "succeeded", "failed", "cancelled", "refunded"}

// moneyBook compares every attempt with the provider's charge. Only the sandbox's charges can be read here.
func (f *facts) moneyBook(b *Book) {
	elsewhere := map[string]int{}
	known := map[string]bool{}
	captured, refunded, free := int64(0), int64(0), 0
	for id, p := range f.payments {
		if !slices.Contains(paymentStates, p.status) {
			b.add(Violation, ruleStates, fmt.Sprintf("payment %d", id), "it is %s", p.status)
		}
		if p.provider == noProvider {
			free++
			if p.amount != 0 {
				b.add(Violation, ruleFree, fmt.Sprintf("payment %d", id), "order %d: %d %s were paid without a provider", p.order,
					p.amount, p.currency)
			}
			continue
		}
		if p.provider != "sandbox" {
			elsewhere[p.provider]++
			continue
		}
		ref := strconv.FormatInt(id, 10)
		known[ref] = true
		c, ok := f.charges[ref]
		captured, refunded = captured+c.captured, refunded+c.refunded
		f.attempt(b, p, c, ok)
	}
	for ref, c := range f.charges {
		if known[ref] {
			continue
		}
		captured, refunded = captured+c.captured, refunded+c.refunded
		if c.captured != 0 {
			b.add(level(c.age), ruleNoCharge, "charge "+ref, "the provider captured %d for a payment that does not exist",
				c.captured)
		}
	}
	b.look("%d payments against %d charges: captured %d, refunded %d", len(f.payments), len(f.charges), captured, refunded)
	if free > 0 {
		b.look("%d payments of orders that cost nothing", free)
	}
	for provider, n := range elsewhere {
		b.look("%d payments at %s were not compared: its records are not accessible here", n, provider)
	}
}

func (f *facts) attempt(b *Book, p payment, c charge, ok bool) {
	subject := fmt.Sprintf("payment %d", p.id)
	// Both sides are read a moment apart.
	wrong := func(format string, args ...any) {
		b.add(level(min(p.age, p.sinceCreated)), ruleCharge, subject, "order %d: %s", p.order, fmt.Sprintf(format, args...))
	}
	if !ok {
		if p.opened || p.status == "succeeded" || p.status == "refunded" {
			wrong("it is %s, but the provider does not know it", p.status)
		}
		return
	}
	if c.amount != p.amount || c.currency != p.currency {
		wrong("its amount is %d %s, but the charge is %d %s", p.amount, p.currency, c.amount, c.currency)
	}
	var captured, refunded int64
	switch p.status {
	case "succeeded":
		captured = p.amount
	case "refunded":
		captured, refunded = p.amount, p.amount
	case "processing", "requires_action": // not known yet; C4 watches that it ends
		return
	}
	if c.captured != captured || c.refunded != refunded {
		wrong("it is %s, the provider captured %d of %d and refunded %d", p.status, c.captured, p.amount, c.refunded)
	}
}

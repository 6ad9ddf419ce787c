package audit

import (
	"context"
	"fmt"
)

const (
	ruleAnswered = "what was answered exists"
	ruleRefused  = "what was refused does not exist"
	ruleEffects  = "one effect per key"
	ruleCheckout = "an order comes from one checkout"
)

// loadCheckouts reads the checkout records and their answered keys. A key of another route has no record.
func (f *facts) loadCheckouts(ctx context.Context, r *serviceDB) error {
	f.checkouts = map[int64]float64{}
	err := r.lines(ctx, `SELECT concat_ws(' ', effect_id, `+age("created_at")+
		`) FROM idempotency_keys WHERE record IS NOT NULL`, func(l *line) {
		id, age := l.int(), l.seconds()
		f.checkouts[id] = age
		f.checkoutsFrom = max(f.checkoutsFrom, age)
	})
	if err != nil {
		return err
	}
	if err := f.loadSharedEffects(ctx, r); err != nil {
		return err
	}
	f.checkoutAnswers, err = answeredKeys(ctx, r, "record IS NOT NULL")
	return err
}

func (f *facts) loadPaymentKeys(ctx context.Context, r *serviceDB) error {
	if err := f.loadSharedEffects(ctx, r); err != nil {
		return err
	}
	// Only POST /v1/payments answers 201 here; its refusals carry the attempt's id if there was one.
	var err error
	f.paymentAnswers, err = answeredKeys(ctx, r, "true")
	return err
}

// answeredKey is an idempotency key with a stored answer. The answer to a successful request contains the effect id.
type answeredKey struct {
	user, effect int64
	status       int
	namesEffect  bool
	age          float64
}

func answeredKeys(ctx context.Context, r *serviceDB, which string) ([]answeredKey, error) {
	var out []answeredKey
	err := r.lines(ctx, `SELECT concat_ws(' ', k.user_id, k.effect_id, k.status, position('"id":"' || k.effect_id || '"' IN
		coalesce(k.body, '')) > 0, `+age("k.created_at")+`)
		FROM idempotency_keys k WHERE k.status IS NOT NULL AND `+which, func(l *line) {
		out = append(out, answeredKey{user: l.int(), effect: l.int(), status: int(l.int()), namesEffect: l.bool(),
			age: l.seconds()})
	})
	return out, err
}

// loadSharedEffects finds effect ids that two keys have: two requests would have one effect.
func (f *facts) loadSharedEffects(ctx context.Context, r *serviceDB) error {
	found, err := r.faults(ctx, ruleEffects,
		`SELECT 'effect ' || effect_id, count(*) || ' keys stand for it' FROM idempotency_keys GROUP BY effect_id
			HAVING count(*) > 1`, false)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keyFaults = append(f.keyFaults, found...)
	return err
}

// clientBook compares stored answers with what exists. What clients received only they know.
func (f *facts) clientBook(b *Book) {
	b.report(f.keyFaults)
	for _, k := range f.checkoutAnswers {
		_, exists := f.orders[k.effect]
		subject := func() string { return fmt.Sprintf("order %d", k.effect) }
		switch {
		case k.status == 201 && !exists:
			b.add(level(k.age), ruleAnswered, subject(), "user %d was answered 201, but it does not exist", k.user)
		case k.status == 201 && !k.namesEffect:
			b.add(Violation, ruleAnswered, subject(), "user %d was answered 201 with another result", k.user)
		case k.status >= 400 && exists:
			b.add(level(k.age), ruleRefused, subject(), "user %d was answered %d, but it exists", k.user, k.status)
		}
	}
	for _, k := range f.paymentAnswers {
		p, exists := f.payments[k.effect]
		subject := func() string { return fmt.Sprintf("payment %d", k.effect) }
		switch {
		case k.status == 201 && !exists:
			b.add(Violation, ruleAnswered, subject(), "user %d was answered 201, but it does not exist", k.user)
		case k.status == 201 && !k.namesEffect:
			b.add(Violation, ruleAnswered, subject(), "user %d was answered 201 with another result", k.user)
		case k.status >= 400 && exists && (p.status == "succeeded" || p.status == "refunded"):
			b.add(Violation, ruleRefused, subject(), "user %d was answered %d, but it is %s", k.user, k.status, p.status)
		}
	}
	for id, o := range f.orders {
		// Keys are forgotten after two days, hour by hour; younger orders must have theirs.
		if _, ok := f.checkouts[id]; !ok && o.sinceCreated < min(f.checkoutsFrom, 47*3600) {
			b.add(level(o.sinceCreated), ruleCheckout, fmt.Sprintf("order %d", id), "no checkout created it")
		}
	}
	b.look("%d answered checkouts against orders, %d answered payment requests against attempts", len(f.checkoutAnswers),
		len(f.paymentAnswers))
	b.look("other answers to clients are not recorded")
}

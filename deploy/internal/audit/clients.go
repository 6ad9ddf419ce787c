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
	ruleEnd      = "a checkout ends as its key is answered"
)

// checkoutsOf reads the records of checkouts with what was answered: of those whose keys are purged, what became of
// them. A record that an older version has begun lies with its key.
const checkoutsOf = `SELECT concat_ws(' ', c.user_id, c.order_id,
		coalesce(k.status, CASE c.state WHEN 'placed' THEN 201 WHEN 'refused' THEN 409 ELSE 0 END),
		k.status IS NULL OR position('"id":"' || c.order_id || '"' IN coalesce(k.body, '')) > 0, %s)
	FROM (SELECT order_id, user_id, key, state, created_at FROM all_checkouts UNION ALL
		SELECT effect_id, user_id, key, 'begun', created_at FROM idempotency_keys
		WHERE record IS NOT NULL AND NOT EXISTS (SELECT 1 FROM all_checkouts WHERE order_id = effect_id)) c
	LEFT JOIN idempotency_keys k ON (k.user_id, k.key, k.effect_id) = (c.user_id, c.key, c.order_id)`

// loadCheckouts reads the records of checkouts and their answered keys.
func (f *facts) loadCheckouts(ctx context.Context, r *serviceDB) error {
	f.checkouts = map[int64]bool{}
	err := r.lines(ctx, fmt.Sprintf(checkoutsOf, age("c.created_at")), func(l *line) {
		k := l.answeredKey()
		f.checkouts[k.effect] = true
		f.checkoutsFrom = max(f.checkoutsFrom, k.age)
		if k.status > 0 {
			f.checkoutAnswers = append(f.checkoutAnswers, k)
		}
	})
	if err != nil {
		return err
	}
	found, err := r.faults(ctx, ruleEnd, `SELECT 'checkout ' || order_id, 'it is ' || state || ', and ' || status ||
		' was answered' FROM all_checkouts c JOIN idempotency_keys k ON effect_id = order_id
		WHERE record IS NULL AND (status = 201) <> (state = 'placed')`, false)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.keyFaults = append(f.keyFaults, found...)
	f.mu.Unlock()
	return f.loadSharedEffects(ctx, r)
}

func (f *facts) loadPaymentKeys(ctx context.Context, r *serviceDB) error {
	if err := f.loadSharedEffects(ctx, r); err != nil {
		return err
	}
	// Only POST /v1/payments answers 201 here; its refusals carry the attempt's id if there was one.
	return r.lines(ctx, `SELECT concat_ws(' ', k.user_id, k.effect_id, k.status, position('"id":"' || k.effect_id || '"' IN
		coalesce(k.body, '')) > 0, `+age("k.created_at")+`)
		FROM idempotency_keys k WHERE k.status IS NOT NULL`, func(l *line) {
		f.paymentAnswers = append(f.paymentAnswers, l.answeredKey())
	})
}

// answeredKey is an idempotency key with a stored answer. The answer to a successful request contains the effect id.
type answeredKey struct {
	user, effect int64
	status       int
	namesEffect  bool
	age          float64
}

func (l *line) answeredKey() answeredKey {
	return answeredKey{user: l.int(), effect: l.int(), status: int(l.int()), namesEffect: l.bool(), age: l.seconds()}
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
		// The records of an older version are purged with their keys after two days, hour by hour.
		if !f.checkouts[id] && o.sinceCreated < min(f.checkoutsFrom, 47*3600) {
			b.add(level(o.sinceCreated), ruleCheckout, fmt.Sprintf("order %d", id), "no checkout created it")
		}
	}
	b.look("%d answered checkouts against orders, %d answered payment requests against attempts", len(f.checkoutAnswers),
		len(f.paymentAnswers))
	b.look("other answers to clients are not recorded")
}

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/services/contracts/orderv1"
)

// The tests of this file are what the mall needs of every broker. MALL_BROKER says which one carries the events of the
// mall under test.

// The first events of a new broker are delivered, not skipped until the feed brings them.
func TestBrokerDeliversItsFirstEvents(t *testing.T) {
	rows, err := database(t, "user").QueryContext(t.Context(), `SELECT id, key FROM outbox
		WHERE type = 'mall.user.roles-changed.v1' ORDER BY seq LIMIT 2`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // read only
	n := 0
	for ; rows.Next(); n++ {
		var id, key string
		if err := rows.Scan(&id, &key); err != nil {
			t.Fatal(err)
		}
		var via string
		if err := database(t, "auth").QueryRowContext(t.Context(), "SELECT via FROM inbox WHERE id = $1",
			id).Scan(&via); err != nil || via != "push" {
			t.Errorf("the first event about user %s came by %q, %v", key, via, err)
		}
	}
	if err := rows.Err(); err != nil || n == 0 {
		t.Errorf("%d events, %v", n, err)
	}
}

// Events keep the ids that their producers gave them, although RocketMQ wraps them in events of its own. Where the
// broker keeps the order of a key, the events of one order come in their order; elsewhere the mall does without.
func TestBrokerKeepsIDsAndOrder(t *testing.T) {
	p := newPatron(t, "Identified tea")
	var ids []string
	for range 20 {
		ids = append(ids, p.buy(t))
	}
	p.delivers(t, "at first")
	keys := strings.Join(ids, ",")
	err := eventually(t.Context(), waitFor, func() error {
		n, err := number(t.Context(), p.inboxes["product"], `SELECT count(*) FROM inbox WHERE status = 'done' AND
			key = ANY(string_to_array($1, ',')) AND type IN ('mall.order.placed.v1', 'mall.order.paid.v1')`, keys)
		if err == nil && n != 40 {
			err = fmt.Errorf("product has %d events of 20 orders, want 40", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const all = `SELECT coalesce(string_agg(id, ',' ORDER BY id), '') FROM %s
		WHERE key = ANY(string_to_array($1, ',')) AND type IN ('mall.order.placed.v1', 'mall.order.paid.v1')`
	var sent, got string
	err = errors.Join(
		database(t, "order").QueryRowContext(t.Context(), fmt.Sprintf(all, "outbox"), keys).Scan(&sent),
		database(t, "product").QueryRowContext(t.Context(), fmt.Sprintf(all, "inbox"), keys).Scan(&got))
	if err != nil || sent != got {
		t.Errorf("product has other events than order sent (%v):\n%s\n%s", err, got, sent)
	}
	early, err := number(t.Context(), p.inboxes["product"], `SELECT count(*) FROM inbox paid JOIN inbox placed USING (key)
		WHERE key = ANY(string_to_array($1, ',')) AND paid.type = 'mall.order.paid.v1' AND
			placed.type = 'mall.order.placed.v1' AND paid.via = 'push' AND placed.via = 'push' AND
			paid.received_at < placed.received_at`, keys)
	if err != nil || carrier == broker.Kafka && early > 0 {
		t.Errorf("%d orders were paid before they were placed, %v", early, err)
	}
}

// After a kill -9 of the broker, of a producer's sidecar, of a consumer's, and of a consumer, the broker delivers
// again: none of its subscriptions stays dead.
func TestBrokerDeliversAfterKills(t *testing.T) {
	p := newPatron(t, "Lasting tea")
	p.delivers(t, "before")
	for _, victim := range []string{string(carrier), "order-daprd", "product-daprd", "product"} {
		kill(t, victim)
		p.delivers(t, "after kill -9 of "+victim)
	}
	auditPatiently(t)
}

// While the broker is away orders are placed and paid. What could not be published is published later, although the
// first publish after the return may fail, too.
func TestBrokerGetsWhatCouldNotBePublished(t *testing.T) {
	if carrier == broker.Redis {
		t.Skip("without Redis nothing is sold: TestNothingIsLostWhenEveryProcessIsKilled")
	}
	p := newPatron(t, "Patient tea")
	heal := down(t, string(carrier))
	id := p.buy(t)
	unpublished, err := number(t.Context(), database(t, "order"),
		"SELECT count(*) FROM outbox WHERE key = $1 AND published_at IS NULL", id)
	if err != nil || unpublished == 0 {
		t.Errorf("%d events wait for the broker, %v", unpublished, err)
	}
	heal()
	ledger := database(t, "order")
	err = eventually(t.Context(), 2*time.Minute, func() error {
		n, err := number(t.Context(), ledger,
			"SELECT count(*) FROM outbox WHERE key = $1 AND published_at IS NULL", id)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d events are not published", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	p.delivers(t, "after the broker's absence")
	auditPatiently(t)
}

// The broker loses everything it had, its topics and offsets too. It delivers again, and the feed brings what it lost.
func TestBrokerLosesEverything(t *testing.T) {
	p := newPatron(t, "Forgotten tea")
	ids := p.unpaid(t, 3)
	gone := []string{"product-daprd"}
	if carrier != broker.Redis { // without it nothing is sold: it loses only the streams
		gone = append(gone, string(carrier))
	}
	heal := down(t, gone...)
	for _, id := range ids {
		p.pay(t, id)
	}
	if carrier == broker.Redis {
		deleteBrokerEvents(t, database(t, "order"))
	} else {
		wipe(t, carrier)
	}
	heal()
	for _, id := range ids {
		waitOrder(t, p.me, id, "paid")
	}
	p.delivers(t, "after it lost everything")
	auditPatiently(t)
}

// Kafka lost its newest events, so that the offset that a consumer has committed is beyond the end. The consumer gets
// what is there, once more, and what comes.
func TestBrokerOffsetBeyondTheEnd(t *testing.T) {
	if carrier != broker.Kafka {
		t.Skip("only Kafka keeps offsets that can be beyond the end")
	}
	p := newPatron(t, "Rewound tea")
	admin := kafkaAdmin(t)
	id := p.place(t)
	heal := down(t, "product-daprd")
	var offsets kadm.Offsets
	ends, err := admin.ListEndOffsets(t.Context(), orderv1.Topic)
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		offsets.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: o.Offset + 1000, LeaderEpoch: -1})
	})
	err = eventually(t.Context(), waitFor, func() error { // while the group still has its dead member, it is refused
		_, err := admin.CommitOffsets(t.Context(), "product", offsets)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.pay(t, id)
	heal()
	p.delivers(t, "with an offset beyond the end")
	err = eventually(t.Context(), waitFor, func() error {
		if via := cameBy(t, p.inboxes["product"], id, "mall.order.paid.v1"); via == "" {
			return fmt.Errorf("order %s has not come", id)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	auditPatiently(t)
}

// An event that cannot be handled is parked with its reason, and the others flow.
func TestBrokerIsNotHeldUpByABadEvent(t *testing.T) {
	p := newPatron(t, "Unspoiled tea")
	parkedEvent(t)
	p.delivers(t, "beside a bad event")
}

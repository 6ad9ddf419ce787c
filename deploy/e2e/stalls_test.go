//go:build e2e

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/broker"
)

// resource changes a rendered component or subscription until the next call of restore. Sidecars read them when they
// start.
func resource(t *testing.T, name string, change func(text string) string) (restore func()) {
	t.Helper()
	file := home("resources", name)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	restore = func() {
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(restore)
	changed := change(string(whole))
	if changed == string(whole) {
		t.Fatalf("nothing was changed in %s", name)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return restore
}

// inSubscription replaces in one subscription.
func inSubscription(name, old, by string) func(string) string {
	return func(text string) string {
		docs := strings.Split(text, "\n---\n")
		for i, doc := range docs {
			if strings.Contains(doc, "name: "+name+"\n") {
				docs[i] = strings.Replace(doc, old, by, 1)
			}
		}
		return strings.Join(docs, "\n---\n")
	}
}

// noticed waits until a service has had its sidecar restarted, buying meanwhile, and until the broker delivers again.
func (p patron) noticed(t *testing.T, service string, restarts float64, how string) {
	t.Helper()
	began := time.Now()
	err := eventually(t.Context(), 2*time.Minute, func() error {
		if metric(t, service, "mall_inbox_stalled_total") > restarts {
			return nil
		}
		p.buy(t)
		time.Sleep(time.Second) // one purchase a second
		return errors.New("not noticed")
	})
	if err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	t.Logf("%s: noticed after %s", how, time.Since(began).Round(time.Second))
	if err := eventually(t.Context(), waitFor, func() error { return ready(t) }); err != nil {
		t.Fatal(err)
	}
	p.delivers(t, how+", after the restart")
	auditPatiently(t)
}

// A subscription that delivers nothing, while its sidecar says that all is well, is noticed by its consumer, which has
// its sidecar restarted. Nothing is lost meanwhile.
func TestBrokerStalledSubscriptionIsRestarted(t *testing.T) {
	p := newPatron(t, "Unheard tea")
	restore := resource(t, "subscriptions.yaml", inSubscription("product-orders", "scopes: [product]", "scopes: [nobody]"))
	freshlyStarted(t, "product")
	kill(t, "product-daprd")
	restore() // for its next start
	p.noticed(t, "product", 0, "without its subscription")
}

func (p patron) unpaid(t *testing.T, n int) (ids []string) {
	t.Helper()
	for range n {
		ids = append(ids, p.place(t))
	}
	return ids
}

// freshlyStarted restarts a service: it has its sidecar restarted at most once in five minutes.
func freshlyStarted(t *testing.T, service string) {
	t.Helper()
	kill(t, service)
	if n := metric(t, service, "mall_inbox_stalled_total"); n != 0 {
		t.Fatalf("%s has had its sidecar restarted %v times already", service, n)
	}
}

// RocketMQ's subscriptions end for good in ways that its sidecar does not notice. The components avoid them; here each
// is provoked, and the consumer notices.
func TestRocketMQSubscriptionsThatEnd(t *testing.T) {
	if carrier != broker.RocketMQ {
		t.Skip("only RocketMQ's do")
	}
	p := newPatron(t, "Silent tea")
	t.Run("a topic without a route when the sidecar starts", func(t *testing.T) {
		topics := resource(t, "events-in.yaml", func(text string) string {
			return strings.Replace(text, "product=mall-orders,mall-users", "product=mall-orders,mall-users,mall-missing", 1)
		})
		restore := resource(t, "subscriptions.yaml", func(text string) string {
			for _, doc := range strings.Split(text, "\n---\n") {
				if strings.Contains(doc, "name: product-users\n") {
					return text + "\n---\n" + strings.NewReplacer("name: product-users", "name: product-missing",
						"topic: mall-users", "topic: mall-missing").Replace(doc) + "\n"
				}
			}
			return text
		})
		freshlyStarted(t, "product")
		kill(t, "product-daprd")
		topics()
		restore()
		p.noticed(t, "product", 0, "with a topic that is missing")
	})
	t.Run("a publish that fails, by the component that receives", func(t *testing.T) {
		scopes := resource(t, "events.yaml", func(text string) string {
			head, rest, _ := strings.Cut(text, "name: subscriptionScopes")
			return head + "name: subscriptionScopes" + strings.Replace(rest, "order=", "order=mall-payments", 1)
		})
		restore := resource(t, "subscriptions.yaml", inSubscription("order-payments", "pubsubname: events-in",
			"pubsubname: events"))
		freshlyStarted(t, "order")
		kill(t, "order-daprd")
		scopes()
		restore()
		heal := down(t, "rocketmq")
		p.buy(t) // its events cannot be published
		heal()
		p.noticed(t, "order", 0, "with one component for both")
	})
	t.Run("a dead letter that cannot be sent", func(t *testing.T) {
		restore := resource(t, "subscriptions.yaml", inSubscription("product-orders", "topic: mall-orders",
			"topic: mall-orders\n  deadLetterTopic: mall-missing"))
		freshlyStarted(t, "product")
		kill(t, "product-daprd")
		restore()
		ids := p.unpaid(t, 5)
		heal := down(t, "product")
		for _, id := range ids {
			p.pay(t, id) // product's sidecar cannot deliver its event
			waitOrder(t, p.me, id, "paid")
		}
		heal()
		p.noticed(t, "product", 0, "with dead letters")
	})
	t.Run("an app that did not answer its health check", func(t *testing.T) {
		checking := filepath.Join(os.Getenv(daprdSwitch), "product")
		if err := os.WriteFile(checking, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		freshlyStarted(t, "product")
		kill(t, "product-daprd")
		if err := os.Remove(checking); err != nil { // for its next start
			t.Fatal(err)
		}
		ids := p.unpaid(t, 40)
		heal := hang(t, "product")
		for _, id := range ids { // more events than its sidecar has workers, and for longer than it takes to notice
			p.pay(t, id)
			time.Sleep(300 * time.Millisecond) // three payments a second
		}
		heal()
		p.noticed(t, "product", 0, "with a health check")
	})
}

//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/proc"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/contracts/userv1"
)

var carrier = broker.Chosen()

// reached are consumers with the types that each handles of an order that was paid.
var reached = map[string][]string{
	"product": {"mall.order.placed.v1", "mall.order.paid.v1"},
	"payment": {"mall.order.placed.v1"},
	"order":   {"mall.payment.succeeded.v1"},
}

// patron is a shopper who buys the same product again and again.
type patron struct {
	me      *apiclient.Client
	address string
	product string
	inboxes map[string]*sql.DB // of those that are reached
}

func newPatron(t *testing.T, of string) patron {
	t.Helper()
	me, address := shopper(t)
	inboxes := map[string]*sql.DB{}
	for service := range reached {
		inboxes[service] = database(t, service)
	}
	return patron{me, address, product(t, of, 300, 100_000).ID, inboxes}
}

// place places an order, however long that takes.
func (p patron) place(t *testing.T) (orderID string) {
	t.Helper()
	var o apiclient.Order
	key := apiclient.Key()
	err := eventually(t.Context(), waitFor, func() error {
		a, err := p.me.Buy(t.Context(), key, p.address, apiclient.Line{ProductID: p.product, Quantity: 1})
		if err == nil && a.Status != http.StatusCreated {
			err = fmt.Errorf("checkout: %s", a)
		}
		if err != nil {
			return err
		}
		return a.Into(&o)
	})
	if err != nil {
		t.Fatal(err)
	}
	return o.ID
}

// pay pays an order, however long that takes.
func (p patron) pay(t *testing.T, orderID string) {
	t.Helper()
	key := apiclient.Key()
	err := eventually(t.Context(), waitFor, func() error {
		a, err := p.me.Pay(t.Context(), key, orderID, apiclient.CardGood)
		if err == nil && a.Status != http.StatusCreated {
			err = fmt.Errorf("payment: %s", a)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (p patron) buy(t *testing.T) (orderID string) {
	t.Helper()
	orderID = p.place(t)
	p.pay(t, orderID)
	return orderID
}

// cameBy returns how an event of an order reached a consumer: push or feed, "" if it has not.
func cameBy(t *testing.T, consumer *sql.DB, orderID, eventType string) string {
	t.Helper()
	var via string
	err := consumer.QueryRowContext(t.Context(), "SELECT via FROM inbox WHERE key = $1 AND type = $2 AND status = 'done'",
		orderID, eventType).Scan(&via)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Logf("inbox: %v", err)
	}
	return via
}

// delivers buys until the broker, and not the feed, has brought all events of an order to all its consumers.
func (p patron) delivers(t *testing.T, when string) {
	t.Helper()
	began := time.Now()
	missing := ""
	err := eventually(t.Context(), 3*time.Minute, func() error {
		id := p.buy(t)
		return eventually(t.Context(), 8*time.Second, func() error {
			missing = ""
			for service, types := range reached {
				for _, eventType := range types {
					if via := cameBy(t, p.inboxes[service], id, eventType); via != "push" {
						missing += fmt.Sprintf("%s has %s by %q; ", service, eventType, via)
					}
				}
			}
			if missing != "" {
				return errors.New(missing)
			}
			return nil
		})
	})
	if err != nil {
		t.Errorf("%s: %v", when, err)
	}
	t.Logf("%s: delivers after %s", when, time.Since(began).Round(10*time.Millisecond))
}

// emptyBroker deletes every event. A RocketMQ cannot, so it loses its store, and is down until the runner goes on.
func emptyBroker(t *testing.T) {
	t.Helper()
	topics := []string{orderv1.Topic, paymentv1.Topic, stockv1.Topic, userv1.Topic}
	switch carrier {
	case broker.Redis:
		redisDo(t, "DEL", topics[0], topics[1], topics[2], topics[3])
	case broker.Kafka:
		admin := kafkaAdmin(t)
		ends, err := admin.ListEndOffsets(t.Context(), topics...)
		if err == nil {
			_, err = admin.DeleteRecords(t.Context(), ends.Offsets())
		}
		if err != nil {
			t.Fatal(err)
		}
	case broker.RocketMQ:
		r, err := proc.Read(home("run"), string(carrier)) // not from the runner, which is stopped
		if err != nil {
			t.Fatal(err)
		}
		signal(t, syscall.SIGKILL, r.PID)
		wipe(t, carrier)
	}
}

// kafkaAdmin talks to the mall's Kafka as its operator would.
func kafkaAdmin(t *testing.T) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(fmt.Sprintf("127.0.0.1:%d", kafkaPort(t))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// kafkaPort reads the port from what the runner gave the sidecars: the runner may be stopped.
func kafkaPort(t *testing.T) (port int) {
	t.Helper()
	raw, err := os.ReadFile(home("resources", "events.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "name: brokers\n")
	if _, err := fmt.Sscanf(strings.TrimSpace(rest), "value: 127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}

// wipe deletes the data of a broker that is down.
func wipe(t *testing.T, k broker.Kind) {
	t.Helper()
	dir := brokerDirectory(t, k)
	for _, part := range map[broker.Kind][]string{broker.Kafka: {"data"}, broker.RocketMQ: {"store"}}[k] {
		if err := os.RemoveAll(filepath.Join(dir, part)); err != nil {
			t.Fatal(err)
		}
	}
}

// brokerDirectory is where the runner keeps a broker.
func brokerDirectory(t *testing.T, k broker.Kind) string {
	t.Helper()
	dirs, err := filepath.Glob("/var/lib/mall-*/" + string(k))
	if own := home(string(k)); err == nil {
		if _, e := os.Stat(own); e == nil {
			return own
		}
	}
	if err != nil || len(dirs) != 1 {
		t.Fatalf("no directory of %s: %v, %v", k, dirs, err)
	}
	return dirs[0]
}

// daprdSwitch names an environment variable with a directory: a sidecar whose app has a file there checks its app's
// health, which none does on RocketMQ otherwise.
const daprdSwitch = "MALL_E2E_HEALTH_CHECKS"

// switchHealthChecks puts a script in front of the sidecar that adds the flags.
func switchHealthChecks(ctx context.Context) (remove func(), err error) {
	dir, err := os.MkdirTemp("", "mall-e2e-")
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	out, err := mall(ctx, "daprd")
	if err != nil {
		return remove, fmt.Errorf("%w\n%s", err, out)
	}
	lines := strings.Split(out, "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "/") }) // others tell of progress
	if len(lines) != 1 {
		return remove, fmt.Errorf("mall daprd printed %q", out)
	}
	script := "#!/bin/sh\nif [ \"$1\" = --app-id ] && [ -e \"" + dir + "/$2\" ]; then\n" +
		"  set -- \"$@\" --enable-app-health-check --app-health-check-path /healthz --app-health-probe-interval 1 " +
		"--app-health-probe-timeout 500 --app-health-threshold 2\nfi\nexec \"" + lines[0] + "\" \"$@\"\n"
	file := filepath.Join(dir, "daprd")
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		return remove, err
	}
	return remove, errors.Join(os.Setenv("MALL_DAPRD", file), os.Setenv(daprdSwitch, dir))
}

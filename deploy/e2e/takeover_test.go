//go:build e2e

package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/proc"
)

// A mall moves from Redis Streams to another broker while a consumer has not received everything, and back again. No
// event is lost.
func TestAnotherBrokerTakesOver(t *testing.T) {
	if carrier == broker.Redis {
		t.Skip("this mall's broker is Redis Streams")
	}
	const atOnce = 5
	m := anotherMall(t, "takeover")
	m.must(t, "up", "--detach", "--broker", "redis")
	owner := m.firstAdmin(t)
	p, err := owner.NewProduct(t.Context(), "Travelling tea", "tests", 300, 1000)
	if err != nil {
		t.Fatal(err)
	}
	me, err := m.visitor().SignUp(t.Context(), "traveller@mall.local")
	if err != nil {
		t.Fatal(err)
	}
	address, err := me.Address(t.Context(), "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, next := range []broker.Kind{carrier, broker.Redis} {
		for range atOnce {
			a, err := me.Buy(t.Context(), apiclient.Key(), address, apiclient.Line{ProductID: p.ID, Quantity: 1})
			if err != nil || a.Status != http.StatusCreated {
				t.Fatalf("checkout: %s, %v", a, err)
			}
			var o apiclient.Order
			if err := a.Into(&o); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, o.ID)
		}
		product, err := proc.Read(filepath.Join(m.home, "run"), "product")
		if err != nil {
			t.Fatal(err)
		}
		signal(t, syscall.SIGSTOP, product.PID) // it receives nothing more
		for _, id := range ids[len(ids)-atOnce:] {
			if a, err := me.Pay(t.Context(), apiclient.Key(), id, apiclient.CardGood); err != nil ||
				a.Status != http.StatusCreated {
				t.Errorf("payment: %s, %v", a, err)
			}
			waitOrder(t, me, id, "paid")
		}
		m.must(t, "down")
		m.must(t, "up", "--detach", "--broker", string(next))
		inbox := m.database(t, "product")
		err = eventually(t.Context(), waitFor, func() error {
			n, err := number(t.Context(), inbox, `SELECT count(*) FROM inbox WHERE status = 'done' AND
				type = 'mall.order.paid.v1' AND key = ANY(string_to_array($1, ','))`, strings.Join(ids, ","))
			if err == nil && n != int64(len(ids)) {
				err = fmt.Errorf("product knows of %d paid orders, want %d", n, len(ids))
			}
			return err
		})
		if err != nil {
			t.Errorf("on %s: %v", next, err)
		}
		m.must(t, "audit", "--wait", "60s")
	}
}

// database opens a service's database of this mall.
func (m another) database(t *testing.T, service string) *sql.DB {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(m.home, "run", "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	var access mallAccess
	if err := json.Unmarshal(raw, &access); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", access.Databases[service])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

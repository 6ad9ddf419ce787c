//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/secrets"
	"daprmall.dev/services/kit/freeport"
)

// metric reads a metric of a service, summed over its labels.
func metric(t *testing.T, service, name string) (sum float64) {
	t.Helper()
	for _, line := range lines(t, service) {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == ' ' || rest[0] == '{') {
			v, err := strconv.ParseFloat(rest[strings.LastIndex(rest, " ")+1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}

// lines returns the lines of an app's metrics.
func lines(t *testing.T, app string) (all []string) {
	t.Helper()
	res, err := get(t, mallUnderTest(t).Apps[app].metrics())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		all = append(all, lines.Text())
	}
	return all
}

// The broker loses every event while a consumer is down, together with its sidecar and what that had already fetched.
// The producer's feed delivers them all, and the audit finds no violation.
func TestTheFeedDeliversWhatTheBrokerLost(t *testing.T) {
	const orders, stock = 10, 50
	ctx := t.Context()
	me, addressID := shopper(t)
	p := product(t, "Lost event tea", 400, stock)
	ids := make([]string, orders)
	for i := range ids {
		ids[i] = order(t, me, addressID, p.ID, 1).ID
	}
	waitAvailable(t, p.ID, stock-orders)
	up := down(t, "product", "product-daprd")
	for _, a := range together(t, orders, func(i int) (apiclient.Answer,
		error) {
		return me.Pay(ctx, apiclient.Key(), ids[i], apiclient.CardGood)
	}) {
		if a.Status != http.StatusCreated {
			t.Errorf("pay while product is down: %s", a)
		}
	}
	for _, id := range ids {
		waitOrder(t, me, id, "paid")
	}
	ledger, inbox := database(t, "order"), database(t, "product")
	deleteBrokerEvents(t, ledger)
	up()
	const brought = "SELECT count(*) FROM inbox WHERE status = 'done' AND type = 'mall.order.paid.v1' AND key = " +
		"ANY(string_to_array($1, ','))"
	err := eventually(ctx, 100*time.Second, func() error {
		n, err := number(ctx, inbox, brought, strings.Join(ids, ","))
		if err == nil && n != orders {
			err = fmt.Errorf("product knows of %d paid orders, want %d", n, orders)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	n, err := number(ctx, inbox, brought+" AND via = 'feed'", strings.Join(ids, ","))
	if err != nil || n != orders {
		t.Errorf("the feed delivered %d events, %v, want all %d, which the broker lost", n, err, orders)
	}
	err = eventually(ctx, waitFor, func() error { // the metric is set after the page was handled
		if repaired := metric(t, "product", "mall_inbox_repaired_total"); repaired < orders {
			return fmt.Errorf("mall_inbox_repaired_total is %v, want at least %d", repaired, orders)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if left, err := number(ctx, inbox, "SELECT on_hand FROM stock WHERE product_id = $1", p.ID); err != nil ||
		left != stock-orders {
		t.Errorf("on hand %d, %v, want %d", left, err, stock-orders)
	}
	auditPatiently(t)
}

// deleteBrokerEvents waits until a producer has published all its events, then deletes every event from the broker. The
// runner is stopped meanwhile (down).
func deleteBrokerEvents(t *testing.T, producer *sql.DB) {
	t.Helper()
	err := eventually(t.Context(), waitFor, func() error {
		n, err := number(t.Context(), producer, "SELECT count(*) FROM outbox WHERE published_at IS NULL")
		if err == nil && n > 0 {
			err = fmt.Errorf("%d events are not published", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	emptyBroker(t)
}

// Redis loses all data during a sale: the gate is rebuilt, nothing is oversold, and the remaining units can be bought.
func TestNothingIsOversoldWhenRedisIsWiped(t *testing.T) {
	const buyers, stock = 30, 40
	p := product(t, "Wiped tea", 600, stock)
	crowd := make([]*customer, buyers)
	gate := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			c, addressID := shopper(t)
			crowd[i] = &customer{c: c, address: addressID}
		})
	}
	wg.Wait()
	var sold sync.WaitGroup // when Redis is wiped, some have bought and some have not
	sold.Add(10)
	var once sync.Mutex
	bought, left := 0, 10
	for i, s := range crowd {
		wg.Go(func() {
			if i >= 10 {
				sold.Wait()
			}
			defer func() {
				once.Lock()
				defer once.Unlock()
				if left > 0 {
					left--
					sold.Done()
				}
			}()
			for range 2 { // each tries to buy two, one by one
				key := apiclient.Key()
				a, err := untilAnswered(t.Context(), func(ctx context.Context) (apiclient.Answer, error) {
					return s.c.Buy(ctx, key, s.address, apiclient.Line{ProductID: p.ID, Quantity: 1})
				})
				var b apiclient.Order
				switch {
				case err != nil:
					t.Error(err)
				case a.Code() == "sold_out", a.Code() == "held_by_your_order": // whose payment is under way
				case a.Status != http.StatusCreated || a.Into(&b) != nil:
					t.Errorf("checkout: %s", a)
				default:
					key := apiclient.Key()
					paid, err := untilAnswered(t.Context(), func(ctx context.Context) (apiclient.Answer, error) {
						return s.c.Pay(ctx, key, b.ID, apiclient.CardGood)
					})
					// order_not_payable: cancelled as out of stock
					if err != nil || paid.Status != http.StatusCreated && paid.Code() != "order_not_payable" {
						t.Errorf("pay: %s, %v", paid, err)
					}
					once.Lock()
					bought++
					once.Unlock()
				}
			}
		})
	}
	sold.Wait()
	redisDo(t, "FLUSHALL") // the settings were in Redis, too: the runner writes them back
	wg.Wait()
	inbox := database(t, "product")
	auditPatiently(t)
	paid, err := number(t.Context(), database(t, "order"),
		"SELECT coalesce(sum(l.quantity), 0)::bigint FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE "+
			"l.product_id = $1 AND o.status = 'paid'", p.ID)
	if err != nil || paid > stock || paid == 0 {
		t.Errorf("%d units sold, %v, of %d in stock", paid, err, stock)
	}
	onHand, err := number(t.Context(), inbox, "SELECT on_hand - reserved FROM stock WHERE product_id = $1", p.ID)
	if err != nil || onHand != stock-paid {
		t.Errorf("%d left, %v, want %d", onHand, err, stock-paid)
	}
	t.Logf("%d orders answered, %d units paid, %d left", bought, paid, onHand)
	if onHand > 0 { // what rejected orders gave back is on sale again
		s := crowd[0]
		if a, err := s.c.Buy(t.Context(), apiclient.Key(), s.address,
			apiclient.Line{ProductID: p.ID, Quantity: onHand}); err != nil || a.Status != http.StatusCreated {
			t.Errorf("buying the last %d: %s, %v", onHand, a, err)
		}
	}
	s := crowd[1]
	if a, err := s.c.Buy(t.Context(), apiclient.Key(), s.address,
		apiclient.Line{ProductID: p.ID, Quantity: 1}); err != nil || a.Code() != "sold_out" {
		t.Errorf("one more: %s, %v, want sold_out", a, err)
	}
}

// another is a second mall, for one test.
type another struct {
	home, base string
	env        []string
}

// anotherMall returns a mall that is not started yet. It is deleted when the test ends.
func anotherMall(t *testing.T, name string, env ...string) another {
	t.Helper()
	base, ports, err := freeport.Range()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ports.Close() })
	m := another{home: home() + "-" + name, base: strconv.Itoa(base)}
	m.env = append(slices.Concat(stripeEnv, env), "MALL_SEED=none", "MALL_HOME="+m.home, "MALL_PORT_BASE="+m.base)
	t.Cleanup(func() {
		if _, err := m.run(context.WithoutCancel(t.Context()), "down", "--purge"); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m another) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, os.Getenv("MALL_BIN"), args...)
	cmd.Dir = root()
	cmd.Env = append(os.Environ(), m.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("mall %v: %w\n%s", args, err, out)
	}
	return string(out), err
}

func (m another) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := m.run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// visitor is an anonymous client of this mall.
func (m another) visitor() *apiclient.Client {
	c := *visitor
	c.Base, c.Token = "http://127.0.0.1:"+m.base, ""
	return &c
}

// A mall with two replicas of some services, in its own home: replicas share the work, and the audit finds no
// violation.
func TestReplicasShareTheWork(t *testing.T) {
	second := anotherMall(t, "replicas")
	second.must(t, "up", "--detach", "--replicas", "order=2,product=2,api-gateway=2")
	second.must(t, configSet(map[string]string{"gateway.rate.signin": "5000/5000", "gateway.rate.account": "5000/5000",
		"gateway.rate.user": "5000/5000", "gateway.rate.declined": "5000/5000",
		"gateway.rate.declined_address": "5000/5000"})...)
	there := second.visitor()
	twice, err := second.firstAdmin(t).NewProduct(t.Context(), "Twice served tea", "tests", 100, 25)
	if err != nil {
		t.Fatal(err)
	}
	p := twice.ID
	me, err := there.SignUp(t.Context(), "shopper@mall.local")
	if err != nil {
		t.Fatal(err)
	}
	addressID, err := me.Address(t.Context(), "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	const buys, stock = 40, 25
	outcomes := map[int]int{}
	for _, a := range together(t, buys, func(int) (apiclient.Answer, error) {
		key := apiclient.Key()
		a, err := untilAnswered(t.Context(), func(ctx context.Context) (apiclient.Answer, error) {
			return me.Buy(ctx, key, addressID, apiclient.Line{ProductID: p, Quantity: 1})
		})
		var o apiclient.Order
		if err != nil || a.Status != http.StatusCreated || a.Into(&o) != nil {
			return a, err
		}
		if paid, err := me.Pay(t.Context(), apiclient.Key(), o.ID, apiclient.CardGood); err != nil ||
			paid.Status != http.StatusCreated {
			return paid, err
		}
		waitOrder(t, me, o.ID, "paid")
		return a, nil
	}) {
		outcomes[a.Status]++
	}
	if outcomes[http.StatusCreated] != stock || outcomes[http.StatusConflict] != buys-stock {
		t.Errorf("outcomes %v, want %d sold and the rest sold out", outcomes, stock)
	}
	t.Run("in a browser", func(t *testing.T) {
		inBrowser(t, append(second.env, "MALL_URL="+second.balanced(t), "MALL_SELLER=admin@mall.local"), "replicas")
	})
	second.must(t, "audit", "--wait", "60s")
}

// balanced is an address at which the mall's two gateways answer in turn, as behind a load balancer. One that does not
// listen is passed over.
func (m another) balanced(t *testing.T) string {
	t.Helper()
	first, err := strconv.Atoi(m.base)
	if err != nil {
		t.Fatal(err)
	}
	var turn atomic.Int64
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		at := turn.Add(1)
		var refused error
		for i := range int64(2) {
			var d net.Dialer
			c, err := d.DialContext(ctx, network, fmt.Sprint("127.0.0.1:", first+100*int((at+i)%2)))
			if err == nil {
				return c, nil
			}
			refused = err
		}
		return nil, refused
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "gateways"})
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		ErrorLog:  log.New(io.Discard, "", 0), // of answers that end with the gateway that gives them
	})
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// firstAdmin signs up the first admin of a new mall, who is also a seller.
func (m another) firstAdmin(t *testing.T) *apiclient.Client {
	t.Helper()
	there := m.visitor()
	c, err := there.SignUp(t.Context(), "admin@mall.local")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := secrets.Read(m.home)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.BecomeFirstAdmin(t.Context(), kept.FirstAdmin()); err != nil {
		t.Fatal(err)
	}
	var u apiclient.User
	err = eventually(t.Context(), 30*time.Second, func() error {
		if c, err = there.SignIn(t.Context(), "admin@mall.local"); err != nil {
			return err
		}
		if err := c.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/me", nil, &u); err != nil {
			return err
		}
		all := map[string]any{"roles": []string{"customer", "seller", "admin"}}
		if err := c.Want(t.Context(), http.StatusOK, http.MethodPut, "/v1/admin/users/"+u.ID+"/roles", all, nil); err != nil {
			return err
		}
		c, err = there.SignIn(t.Context(), "admin@mall.local")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

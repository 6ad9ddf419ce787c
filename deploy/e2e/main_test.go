//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/secrets"
)

// The mall under test and its users.
var (
	visitor *apiclient.Client
	admin   *apiclient.Client
	seller  *apiclient.Client
	rival   *apiclient.Client // another seller

	met *refusals // refusals that the tests received
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv("MALL_BIN") == "" || os.Getenv("MALL_HOME") == "" {
		fmt.Println("e2e: run these tests with `go run ./deploy/mall test ./deploy/e2e/...`: they need a mall of their own")
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Minute)
	defer cancel()
	if carrier == broker.RocketMQ {
		remove, err := switchHealthChecks(ctx)
		if err != nil {
			fmt.Println("e2e:", err)
			return 1
		}
		defer remove()
	}
	if err := open(ctx); err != nil {
		fmt.Println("e2e: the mall did not start:", err)
		return 1
	}
	code := m.Run()
	// Last of all, after the parallel tests: every answer must have been as openapi.yaml declares.
	for _, v := range violations {
		fmt.Println("an answer that does not match openapi.yaml:", v)
		code = 1
	}
	if f := flag.Lookup("test.run"); f.Value.String() == "" { // a part of the tests cannot provoke all
		for _, refusal := range met.neverGiven() {
			fmt.Println("listed in openapi.yaml, but provoked by no test:", refusal)
			code = 1
		}
	}
	for _, m := range invalidEvents(ctx) {
		fmt.Println("an event that does not match its schema:", m)
		code = 1
	}
	for _, l := range leaks() {
		fmt.Println("found in a log:", l)
		code = 1
	}
	return code
}

// testSettings are the settings for these tests. Limits that protect a real mall from a single address are wide,
// because every test comes from 127.0.0.1.
func testSettings() map[string]string {
	return map[string]string{"gateway.rate.anonymous": "5000/5000", "gateway.rate.user": "5000/5000",
		"gateway.rate.signin": "5000/5000", "gateway.rate.account": "5000/5000", "gateway.rate.place": "5000/5000",
		"gateway.rate.declined": "5000/5000", "gateway.rate.declined_address": "5000/5000",
		"gateway.max_in_flight": "2000", "order.cancel_grace": "2s", "mall.catch_up_every": "5s"}
}

func configure(ctx context.Context) error {
	if out, err := mall(ctx, configSet(testSettings())...); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// configSet returns the command that sets settings.
func configSet(values map[string]string) []string {
	args := []string{"config", "set"}
	for key, value := range values {
		args = append(args, key, value)
	}
	return args
}

// open starts the mall and signs in its users.
func open(ctx context.Context) error {
	if out, err := mall(ctx, "up", "--detach"); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if err := configure(ctx); err != nil {
		return err
	}
	contract, err := newContract(filepath.Join(root(), "api-gateway", "openapi.yaml"))
	if err != nil {
		return err
	}
	doc, err := openAPI()
	if err != nil {
		return err
	}
	met = newRefusals(doc)
	visitor = apiclient.New("http://127.0.0.1:" + os.Getenv("MALL_PORT_BASE"))
	visitor.Seen = func(req *http.Request, body []byte, a apiclient.Answer) {
		contract.check(req, body, a)
		met.see(req, a)
	}
	if err := eventually(ctx, 30*time.Second, func() error { return wideLimits(ctx) }); err != nil {
		return err
	}
	if admin, err = visitor.SignUp(ctx, "admin@mall.local"); err != nil {
		return err
	}
	if err := admin.BecomeFirstAdmin(ctx, firstAdminSecret()); err != nil {
		// A mall that stayed up from an earlier run has an admin already.
		if err := admin.Want(ctx, http.StatusOK, http.MethodGet, "/v1/admin/users", nil, nil); err != nil {
			return fmt.Errorf("first admin: %w", err)
		}
	}
	if admin, err = visitor.SignIn(ctx, "admin@mall.local"); err != nil {
		return err
	}
	if seller, err = newSeller(ctx, "seller@mall.local"); err != nil {
		return err
	}
	if rival, err = newSeller(ctx, "rival@mall.local"); err != nil {
		return err
	}
	stayIn(admin, "admin@mall.local")
	stayIn(seller, "seller@mall.local")
	stayIn(rival, "rival@mall.local")
	return nil
}

// stayIn lets a user sign in again before the token ends: on a busy machine the tests take longer than its 15 minutes.
func stayIn(c *apiclient.Client, email string) {
	var mu sync.Mutex
	token, since := c.Token, time.Now()
	c.Renew = func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(since) < 5*time.Minute {
			return token, nil
		}
		again, err := visitor.SignIn(ctx, email)
		if err != nil { // a part of the mall may be down in a test; it is good for another ten minutes
			return token, nil
		}
		token, since = again.Token, time.Now()
		return token, nil
	}
}

// bearer returns the token of a user now.
func bearer(t *testing.T, c *apiclient.Client) string {
	t.Helper()
	token, err := c.Bearer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wideLimits checks whether the gateway has read the settings of these tests: it accepts more wrong passwords than by
// default.
func wideLimits(ctx context.Context) error {
	probe := map[string]string{"email": apiclient.Key() + "@mall.local", "password": "wrong"}
	for range 12 {
		if err := visitor.Want(ctx, http.StatusUnauthorized, http.MethodPost, "/v1/sessions", probe, nil); err != nil {
			return err
		}
	}
	return nil
}

// firstAdminSecret returns the secret that the runner has put into the secret store.
func firstAdminSecret() string {
	store, _ := secrets.Read(os.Getenv("MALL_HOME"))
	return store.FirstAdmin()
}

func newSeller(ctx context.Context, email string) (*apiclient.Client, error) {
	c, err := visitor.SignUp(ctx, email)
	if err != nil {
		return nil, err
	}
	var u apiclient.User
	if err := c.Want(ctx, http.StatusOK, http.MethodGet, "/v1/me", nil, &u); err != nil {
		return nil, err
	}
	err = admin.Want(ctx, http.StatusOK, http.MethodPut, "/v1/admin/users/"+u.ID+"/roles",
		map[string]any{"roles": []string{"customer", "seller"}}, nil)
	if err != nil {
		return nil, err
	}
	return visitor.SignIn(ctx, email)
}

func root() string {
	wd, _ := os.Getwd()
	return filepath.Dir(filepath.Dir(wd))
}

// mall runs a command of the runner for the mall under test.
func mall(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, os.Getenv("MALL_BIN"), args...)
	cmd.Dir = root()
	cmd.Env = append(os.Environ(), append(stripeEnv, "MALL_SEED=none")...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("mall %v: %w", args, err)
	}
	return string(out), err
}

func mustMall(t *testing.T, args ...string) string {
	t.Helper()
	out, err := mall(t.Context(), args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// payWithin changes the time to pay for the rest of one test. Each time it waits until order has read the setting.
func payWithin(t *testing.T, d time.Duration) {
	t.Helper()
	me, address := shopper(t)
	p := product(t, "Probe", 1, 1000)
	read := func(ctx context.Context, want time.Duration) error {
		return eventually(ctx, waitFor, func() error {
			a, err := me.Buy(ctx, apiclient.Key(), address, apiclient.Line{ProductID: p.ID, Quantity: 1})
			if err != nil {
				return err
			}
			var o struct {
				ID           string    `json:"id"`
				CreatedAt    time.Time `json:"created_at"`
				PaymentDueAt time.Time `json:"payment_due_at"`
			}
			if err := a.Into(&o); err != nil {
				return err
			}
			if err := me.Want(ctx, http.StatusOK, http.MethodPost, "/v1/orders/"+o.ID+"/cancel", nil, nil); err != nil {
				return err
			}
			if got := o.PaymentDueAt.Sub(o.CreatedAt).Round(time.Second); got != want {
				return fmt.Errorf("shoppers have %s to pay, want %s", got, want)
			}
			return nil
		})
	}
	mustMall(t, "config", "set", "order.payment_timeout", d.String())
	if err := read(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context()) // t's own context has ended by now
		out, err := mall(ctx, "config", "unset", "order.payment_timeout")
		if err == nil {
			err = read(ctx, 15*time.Minute)
		}
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// eventually repeats try until it succeeds or the time is over. It polls instead of waiting for a fixed time.
func eventually(ctx context.Context, within time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", within, err)
		case <-tick.C:
		}
	}
}

var (
	people atomic.Int64
	today  = apiclient.Key()[:6] // a mall that stayed up still has the users of the last run
)

// shopper signs up a new user with an address.
func shopper(t *testing.T) (c *apiclient.Client, address string) {
	t.Helper()
	c, err := visitor.SignUp(t.Context(), fmt.Sprintf("shopper-%s-%d@mall.local", today, people.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	if address, err = c.Address(t.Context(), "Shanghai"); err != nil {
		t.Fatal(err)
	}
	return c, address
}

func product(t *testing.T, name string, price, stock int64) apiclient.Product {
	t.Helper()
	p, err := seller.NewProduct(t.Context(), name, "tests", price, stock)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// audit runs the audit until it finds no violation; what it still finds after a minute is a failure.
func audit(t *testing.T) {
	t.Helper()
	var out string
	err := eventually(t.Context(), 60*time.Second, func() error {
		var err error
		out, err = mall(t.Context(), "audit")
		return err
	})
	if err != nil {
		t.Errorf("the audit found violations: %v\n%s", err, out)
	}
}

// waitOrder waits until an order has the given status.
func waitOrder(t *testing.T, c *apiclient.Client, id, status string) apiclient.Order {
	t.Helper()
	var o apiclient.Order
	err := eventually(t.Context(), 60*time.Second, func() error {
		var err error
		if o, err = c.Order(t.Context(), id); err == nil && o.Status != status {
			err = fmt.Errorf("order %s is %s, want %s", id, o.Status, status)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// waitAvailable waits until a product shows the given stock.
func waitAvailable(t *testing.T, id string, want int64) {
	t.Helper()
	err := eventually(t.Context(), 60*time.Second, func() error {
		p, err := visitor.Product(t.Context(), id)
		if err == nil && p.Available != want {
			err = fmt.Errorf("product %s shows %d, want %d", id, p.Available, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// contract validates every answer against openapi.yaml.
type contract struct {
	v   validator.Validator
	mu  sync.Mutex
	bad map[string]bool
}

func newContract(file string) (*contract, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	// Default answers are for clients: here they would allow every status that an operation does not list.
	text = regexp.MustCompile(`(?m)^ +default: \{\$ref: '#/components/responses/Problem'\}\n`).ReplaceAll(text, nil)
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return &contract{v: v, bad: map[string]bool{}}, nil
}

func (c *contract) check(req *http.Request, body []byte, a apiclient.Answer) {
	c.mu.Lock() // the validator compiles schemas on first use
	defer c.mu.Unlock()
	asked := req.Clone(context.Background())
	asked.Body = http.NoBody
	if body != nil {
		asked.Body = readCloser{bytes.NewReader(body)}
	}
	res := &http.Response{StatusCode: a.Status, Header: a.Header, Body: readCloser{bytes.NewReader(a.Body)},
		Request: asked}
	ok, errs := c.v.ValidateHttpResponse(asked, res)
	if ok {
		return
	}
	for _, e := range errs {
		if e.ValidationType == "path" { // a route that does not exist, requested on purpose
			continue
		}
		text := fmt.Sprintf("%s %s → %d: %s: %s", req.Method, req.URL.Path, a.Status, e.Message, e.Reason)
		for _, s := range e.SchemaValidationErrors {
			text += "\n    " + s.Reason
		}
		if !c.bad[text] {
			c.bad[text] = true
			violations = append(violations, fmt.Sprintf("%s\n    %.300s", text, a.Body))
		}
	}
}

// violations are answers that openapi.yaml does not allow. Any of them fails the run.
var violations []string

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// status reads the runner's list of processes.
func status(t *testing.T) map[string]process {
	t.Helper()
	var list []process
	if err := json.Unmarshal([]byte(mustMall(t, "status", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	byName := map[string]process{}
	for _, p := range list {
		byName[p.Name] = p
	}
	return byName
}

type process struct {
	Name     string         `json:"name"`
	PID      int            `json:"pid"`
	Port     int            `json:"port"`
	Ports    map[string]int `json:"ports"`
	State    string         `json:"state"`
	Restarts int            `json:"restarts"`
}

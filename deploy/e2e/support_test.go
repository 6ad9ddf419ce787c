//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver for reading the services' databases

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/redis"
)

// mallAccess says how to reach the parts of the mall under test, as the runner recorded it. Shoppers see none of this.
type mallAccess struct {
	Databases map[string]string `json:"databases"`
	Redis     struct {
		Addr     string `json:"addr"`
		Password string `json:"password"`
	} `json:"redis"`
	Apps map[string]appAccess `json:"apps"`
}

type appAccess struct {
	ID        string         `json:"id"`
	URL       string         `json:"url"`
	Ports     map[string]int `json:"ports"`
	AppToken  string         `json:"app_api_token"`
	DaprToken string         `json:"dapr_api_token"`
}

// metrics returns the address of an app's metrics: the gateway has its own port for them.
func (a appAccess) metrics() string {
	if port := a.Ports["operator"]; port != 0 {
		return fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
	}
	return a.URL + "/metrics"
}

func home(parts ...string) string {
	return filepath.Join(append([]string{os.Getenv("MALL_HOME")}, parts...)...)
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func mallUnderTest(t *testing.T) mallAccess {
	t.Helper()
	var p mallAccess
	readJSON(t, home("run", "state.json"), &p)
	return p
}

// database opens a service's database with the service's own credentials.
func database(t *testing.T, service string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", mallUnderTest(t).Databases[service])
	if err != nil {
		t.Fatal(err)
	}
	// No connection is kept: a test that opens a database whenever it looks would use all that PostgreSQL has.
	db.SetMaxIdleConns(-1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// ping tries to connect to a database.
func ping(t *testing.T, dsn string) error {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing was asked
	return db.PingContext(t.Context())
}

// number reads one number from a service's database.
func number(ctx context.Context, db *sql.DB, query string, args ...any) (n int64, err error) {
	err = db.QueryRowContext(ctx, query, args...).Scan(&n)
	return n, err
}

// redisDo sends one command to the mall's Redis.
func redisDo(t *testing.T, args ...any) string {
	t.Helper()
	p := mallUnderTest(t)
	c := redis.Open(p.Redis.Addr, p.Redis.Password)
	defer c.Close() //nolint:errcheck // the reply has been read
	out, err := c.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("redis %s: %v", args[0], err)
	}
	return fmt.Sprint(out)
}

// internals are internal words that no refusal may show.
var internals = regexp.MustCompile(
	`(?i)\b(pgx|gorm|goroutine|daprd?|sqlstate|select |insert |update |postgres|redis|` +
		`panic|runtime error|json: |unmarshal|127\.0\.0\.1|localhost)\b|\.go:\d|/services/|/internal/|/tmp/|/home/`)

// refusal returns what is wrong with an answer that should be a refusal with one of these statuses, "" if nothing is.
func refusal(a apiclient.Answer, statuses ...int) string {
	allowed := false
	for _, s := range statuses {
		allowed = allowed || a.Status == s
	}
	if !allowed {
		return fmt.Sprintf("%s, want a refusal with %v", a, statuses)
	}
	if a.Header.Get("Content-Type") != "application/problem+json" || a.Code() == "" {
		return fmt.Sprintf("%s as %q, want a problem with a code", a, a.Header.Get("Content-Type"))
	}
	if leak := internals.Find(a.Body); leak != nil {
		return fmt.Sprintf("%s shows %q", a, leak)
	}
	return ""
}

// sameRefusal compares two refusals, ignoring their trace ids.
func sameRefusal(a, b apiclient.Answer) bool {
	return a.Status == b.Status && withoutTrace(a) == withoutTrace(b)
}

var trace = regexp.MustCompile(`"trace_id":"[0-9a-f]+"`)

func withoutTrace(a apiclient.Answer) string { return trace.ReplaceAllString(string(a.Body), "") }

// together makes a request n times at once and returns the answers.
func together(t *testing.T, n int, ask func(i int) (apiclient.Answer, error)) []apiclient.Answer {
	t.Helper()
	answers := make([]apiclient.Answer, n)
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i], errs[i] = ask(i)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

// do makes a request and fails the test if there is no answer.
func do(t *testing.T, c *apiclient.Client, method, path string, body any, headers ...string) apiclient.Answer {
	t.Helper()
	a, err := c.Do(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// member is a shopper with the account data that tests need.
type member struct {
	*apiclient.Client
	id, email, refresh string
}

// signIn opens another session of an account.
func signIn(t *testing.T, email string) member {
	t.Helper()
	var s apiclient.Session
	err := visitor.Want(t.Context(), http.StatusCreated, http.MethodPost, "/v1/sessions",
		map[string]string{"email": email, "password": apiclient.Password}, &s)
	if err != nil {
		t.Fatal(err)
	}
	issued.Store(s.RefreshToken, true)
	m := member{Client: visitor.As(s.AccessToken), email: email, refresh: s.RefreshToken}
	var u apiclient.User
	if err := m.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/me", nil, &u); err != nil {
		t.Fatal(err)
	}
	m.id = u.ID
	return m
}

// newEmail returns an unused address, even in a mall that stayed up after an earlier run.
func newEmail() string {
	return fmt.Sprintf("member-%s@mall.local", strings.ToLower(rand.Text()))
}

// newMember signs up a new user.
func newMember(t *testing.T) member {
	t.Helper()
	email := newEmail()
	if err := visitor.Want(t.Context(), http.StatusCreated, http.MethodPost, "/v1/users",
		map[string]string{"email": email, "password": apiclient.Password}, nil); err != nil {
		t.Fatal(err)
	}
	return signIn(t, email)
}

package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/sidecar"
)

const kind = "mall.order.placed.v1"

// effects are tables that the test handlers write: one row for each time a handler's work was committed.
var effects = postgres.Migrations{Name: "effects", FS: fstest.MapFS{"0001_effects.sql": {Data: []byte(`-- +goose Up
	CREATE TABLE effects (n bigint NOT NULL);
	CREATE TABLE state (key text PRIMARY KEY, version bigint NOT NULL, value bigint NOT NULL);`)}}}

type fact struct {
	N int `json:"n"`
}

var errNo = errors.New("not now")

func open(t *testing.T) (*Inbox, *gorm.DB, *fakeSidecar) {
	t.Helper()
	db := postgrestest.Open(t, Migrations, effects)
	p := &fakeSidecar{feeds: map[string]*outbox.Outbox{}}
	return New(db, p, slog.New(slog.DiscardHandler)), db, p
}

// recordEffect is the effect of a handler, in the handler's transaction.
func recordEffect(ctx context.Context, db *gorm.DB, n int) error {
	return postgres.DB(ctx, db).Exec("INSERT INTO effects VALUES (?)", n).Error
}

// fakeSidecar is a sidecar that reads feeds from real outboxes.
type fakeSidecar struct {
	mu        sync.Mutex
	feeds     map[string]*outbox.Outbox
	asked     int
	shutdowns int
	fail      error
}

func (p *fakeSidecar) Invoke(ctx context.Context, r sidecar.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.fail != nil {
		return p.fail
	}
	u, err := url.Parse(r.Path)
	if err != nil || u.Path != "/events" || !r.System {
		return fmt.Errorf("unexpected call %+v", r)
	}
	q, err := outbox.ParseQuery(u.Query().Get)
	if err != nil {
		return err
	}
	page, err := p.feeds[r.App].Feed(ctx, q)
	if err != nil {
		return err
	}
	text, err := json.Marshal(page)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, r.Out)
}

func (p *fakeSidecar) Shutdown(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shutdowns++
	return nil
}

// producer is a service whose events are only in its feed, unless a test delivers them.
type producer struct {
	t   *testing.T
	db  *gorm.DB
	out *outbox.Outbox
}

func produce(t *testing.T, p *fakeSidecar, source string) *producer {
	t.Helper()
	db := postgrestest.Open(t, outbox.Migrations)
	out := outbox.New(db, source, nil, slog.New(slog.DiscardHandler))
	p.feeds[source] = out
	return &producer{t: t, db: db, out: out}
}

// bodies returns the producer's events in the order of the feed, as the broker delivers them.
func (p *producer) bodies() [][]byte {
	p.t.Helper()
	var texts []string
	if err := p.db.Raw("SELECT payload FROM outbox ORDER BY pos").Scan(&texts).Error; err != nil {
		p.t.Fatal(err)
	}
	bodies := make([][]byte, len(texts))
	for i, text := range texts {
		bodies[i] = []byte(text)
	}
	return bodies
}

// add commits the facts from..to and gives them positions in the feed.
func (p *producer) add(from, to int) {
	p.t.Helper()
	err := postgres.InTx(p.t.Context(), p.db, func(ctx context.Context, _ *gorm.DB) error {
		for n := from; n <= to; n++ {
			e := outbox.Event{Topic: "mall-orders", Type: kind, Key: fmt.Sprint(n), Version: 1, Data: fact{n}}
			if err := p.out.Add(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	// This is the work of the relay.
	err = p.db.Exec(`WITH placed AS (SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM outbox WHERE pos IS NULL)
		UPDATE outbox o SET pos = h.pos + p.n, published_at = now() FROM placed p, outbox_head h WHERE o.seq = p.seq`).Error
	if err == nil {
		err = p.db.Exec("UPDATE outbox_head SET pos = greatest(pos, (SELECT max(pos) FROM outbox))").Error
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) { //nolint:forbidigo // polls
		if time.Now().After(end) {
			t.Fatalf("%s: it did not happen within 10 s", what)
		}
	}
}

// eventBody returns a fact as the broker delivers it.
func eventBody(t *testing.T, id string, n int) []byte {
	t.Helper()
	body, err := json.Marshal(outbox.CloudEvent{SpecVersion: "1.0", ID: id, Source: "order", Type: kind,
		Subject: fmt.Sprint(n),
		Time:    time.Now(), DataContentType: "application/json", Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func newID() string { return uuid.NewString() }

func receive(t *testing.T, in *Inbox, body []byte) {
	t.Helper()
	if err := in.Receive(t.Context(), body)[0]; err != nil {
		t.Errorf("receive %.80s: %v; want it acknowledged", body, err)
	}
}

type row struct {
	ID, Source, Type, Status, Via, Reason string
	Payload                               *string
	Attempts                              int
	Waits                                 float64 // seconds until the next try
}

func rows(t *testing.T, db *gorm.DB) []row {
	t.Helper()
	var all []row
	err := db.Raw(`SELECT id, source, type, status, via, reason, payload, attempts, coalesce(extract(epoch
		FROM next_try_at - now()), 0) AS waits
		FROM inbox ORDER BY received_at, id`).Scan(&all).Error
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func effectCount(t *testing.T, db *gorm.DB) int {
	t.Helper()
	var n int
	if err := db.Raw("SELECT count(*) FROM effects").Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// retry makes every parked event due and retries it.
func retry(t *testing.T, in *Inbox) {
	t.Helper()
	if err := in.db.Exec("UPDATE inbox SET next_try_at = now() WHERE status = 'parked'").Error; err != nil {
		t.Fatal(err)
	}
	if err := in.retryDue(t.Context()); err != nil {
		t.Fatalf("retry: %v", err)
	}
}

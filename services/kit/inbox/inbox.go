// Package inbox handles each event exactly once: its id commits with its effect. An event whose handler fails is parked
// with its reason and tried again; events that the broker lost are fetched from the producers' feeds.
package inbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/sidecar"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the inbox's tables.
var Migrations = postgres.Migrations{Name: "inbox", FS: files}

// Sidecar is what the inbox needs of the sidecar: a producer's feed, and a restart when its subscription has stalled.
type Sidecar interface {
	Invoke(ctx context.Context, r sidecar.Request) error
	Shutdown(ctx context.Context) error
}

// Inbox is one service's incoming events.
type Inbox struct {
	// CatchUpEvery is the pause between two comparisons with the feeds. Set it before Run.
	CatchUpEvery func() time.Duration

	db          *gorm.DB
	dapr        Sidecar
	log         *slog.Logger
	owner       string
	handlers    []handler // in the order in which they were added
	lockFirst   func(ctx context.Context, events []outbox.CloudEvent) error
	now         func() time.Time
	awake       awake
	pushed      sync.Map             // producer → time.Time of the last delivery by the broker
	missed      map[string]time.Time // producer → when the feed had events that the broker had not delivered, first
	lastRestart time.Time            // of the sidecar, last

	parkedOne chan struct{} // wakes the retries
	anyParked bool          // used by the retries only

	mu      sync.Mutex
	waiting []*delivery
	working bool
}

// New makes an inbox without handlers.
func New(db *gorm.DB, dapr Sidecar, log *slog.Logger) *Inbox {
	return &Inbox{CatchUpEvery: keys.CatchUpEvery.Standard, db: db, dapr: dapr, log: log, owner: uuid.NewString(),
		now: time.Now, awake: awake{last: time.Now(), since: time.Now()}, missed: map[string]time.Time{},
		parkedOne: make(chan struct{}, 1)}
}

// Handled returns the types that are handled, each with the app that publishes it.
func (in *Inbox) Handled() map[string]string {
	types := make(map[string]string, len(in.handlers))
	for _, h := range in.handlers {
		types[h.eventType] = h.source
	}
	return types
}

// Receive handles events that the broker delivers. It returns when each was handled or parked; an event's error means
// that neither succeeded. Events that arrive while others are being handled wait, and then share one transaction.
func (in *Inbox) Receive(ctx context.Context, bodies ...[]byte) []error {
	outcomes := make([]error, len(bodies))
	deliveries := make([]*delivery, len(bodies))
	for i, body := range bodies {
		e, err := unwrap(body)
		if err != nil {
			sum := sha256.Sum256(body)
			bad := delivery{event: outbox.CloudEvent{ID: "unreadable:" + hex.EncodeToString(sum[:8])}, raw: body, via: "push"}
			outcomes[i] = in.park(context.WithoutCancel(ctx), bad, err)
			continue
		}
		in.pushed.Store(e.Source, in.now())
		if _, ok := in.handler(e.Type); ok { // other types of the topic are for other services
			deliveries[i] = &delivery{event: e, raw: body, via: "push", done: make(chan error, 1)}
		}
	}
	in.enqueue(deliveries)
	for i, d := range deliveries {
		if d != nil {
			outcomes[i] = <-d.done
		}
	}
	return outcomes
}

// unwrap reads a CloudEvent. RocketMQ and dead letters wrap an event in another event, RocketMQ without a content type
// as quoted text; the innermost one is the service's.
func unwrap(body []byte) (outbox.CloudEvent, error) {
	for {
		var e outbox.CloudEvent
		if err := json.Unmarshal(body, &e); err != nil {
			return e, fmt.Errorf("not a CloudEvent: %w", err)
		}
		var inner struct {
			SpecVersion string `json:"specversion"`
		}
		data := []byte(e.Data)
		var text string
		if json.Unmarshal(data, &text) == nil && text != "" {
			data = []byte(text)
		}
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) && json.Unmarshal(data, &inner) == nil &&
			inner.SpecVersion != "" {
			body = data
			continue
		}
		if e.ID == "" || e.Type == "" || len(e.Data) == 0 {
			return e, errors.New("not a CloudEvent: id, type or data is missing")
		}
		return e, nil
	}
}

// park stores an event that could not be handled, with the reason, for retryDue. An event without an id (it cannot be
// read) has one made of its bytes, so that a repetition is recognised.
func (in *Inbox) park(ctx context.Context, d delivery, why error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	e := d.event
	err := in.db.WithContext(ctx).
		Exec(`INSERT INTO inbox (id, source, type, key, status, via, reason, payload, next_try_at)
		VALUES (?, ?, ?, ?, 'parked', ?, ?, ?, now() + interval '1 second') ON CONFLICT (id) DO NOTHING`,
			e.ID, e.Source, e.Type, e.Subject, d.via, reason(why), printable(d.raw)).Error
	if err != nil {
		return fmt.Errorf("park event %s: %w", e.ID, errors.Join(err, why))
	}
	parkedTotal.Inc()
	select {
	case in.parkedOne <- struct{}{}:
	default: // it is awake
	}
	return nil
}

func (in *Inbox) seen(ctx context.Context, eventIDs []string) (map[string]bool, error) {
	var known []string
	if err := in.db.WithContext(ctx).Raw("SELECT id FROM inbox WHERE id IN ?", eventIDs).Scan(&known).Error; err != nil {
		return nil, err
	}
	m := make(map[string]bool, len(known))
	for _, id := range known {
		m[id] = true
	}
	return m, nil
}

// reason returns the first 2,000 bytes of an error as text that PostgreSQL accepts.
func reason(err error) string {
	s := err.Error()
	return printable([]byte(s[:min(len(s), 2000)]))
}

func printable(raw []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(raw), "\uFFFD"), "\x00", "\uFFFD")
}

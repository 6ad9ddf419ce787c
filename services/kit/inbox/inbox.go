// Package inbox takes events in exactly once: the event's id commits with its effect. What fails is
// parked with its reason and tried again; what the broker lost is fetched from the producers' feeds.
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
	"runtime/debug"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/telemetry"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the inbox's tables.
var Migrations = postgres.Migrations{Name: "inbox", FS: files}

const handlerTimeout = 30 * time.Second

// Sidecar is what the inbox needs of it: a producer's feed, and a restart of a sidecar that has gone deaf.
type Sidecar interface {
	Invoke(ctx context.Context, r sidecar.Request) error
	Shutdown(ctx context.Context) error
}

// Inbox is one room's incoming events.
type Inbox struct {
	db       *gorm.DB
	side     Sidecar
	log      *slog.Logger
	owner    string
	handlers map[string]handler
	now      func() time.Time
	started  time.Time
	lastPush atomic.Int64 // unix nanoseconds of the last delivery by the broker
	restart  time.Time    // of the sidecar, last
}

type handler struct {
	source   string
	call     func(ctx context.Context, data []byte) error
	detached bool
}

// New makes an inbox without handlers.
func New(db *gorm.DB, side Sidecar, log *slog.Logger) *Inbox {
	return &Inbox{db: db, side: side, log: log, owner: uuid.NewString(), handlers: map[string]handler{}, now: time.Now, started: time.Now()}
}

// On handles events of a type that the app source produces. The handler runs in a transaction with the inbox row
// (postgres.InTx joins it): its effect happens once. It must not sleep, retry or call over the network.
func On[T any](in *Inbox, source, eventType string, h func(ctx context.Context, e T) error) {
	in.handlers[eventType] = handler{source: source, call: decoded(h)}
}

// OnDetached is On for an effect outside the database: the handler runs first and must be idempotent by itself,
// then its event is recorded.
func OnDetached[T any](in *Inbox, source, eventType string, h func(ctx context.Context, e T) error) {
	in.handlers[eventType] = handler{source: source, call: decoded(h), detached: true}
}

func decoded[T any](h func(ctx context.Context, e T) error) func(context.Context, []byte) error {
	return func(ctx context.Context, data []byte) error {
		var e T
		if err := json.Unmarshal(data, &e); err != nil { // unknown fields are fine: a producer may be newer
			return fmt.Errorf("read event: %w", err)
		}
		return h(ctx, e)
	}
}

// Slug names the route of an event type: mall.order.placed.v1 → order-placed.
func Slug(eventType string) string {
	s := strings.TrimPrefix(eventType, "mall.")
	if i := strings.LastIndex(s, ".v"); i >= 0 {
		s = s[:i]
	}
	return strings.ReplaceAll(s, ".", "-")
}

// Slugs gives the routes of all handled types, sorted.
func (in *Inbox) Slugs() []string {
	var slugs []string
	for t := range in.handlers {
		slugs = append(slugs, Slug(t))
	}
	sort.Strings(slugs)
	return slugs
}

// Handled gives the types that are handled, each with the app it comes from.
func (in *Inbox) Handled() map[string]string {
	types := make(map[string]string, len(in.handlers))
	for t, h := range in.handlers {
		types[t] = h.source
	}
	return types
}

// Receive takes an event as the broker delivers it. It returns an error only if the event could be neither handled nor parked.
func (in *Inbox) Receive(ctx context.Context, body []byte) error {
	in.lastPush.Store(in.now().UnixNano())
	e, err := unwrap(body)
	if err != nil {
		sum := sha256.Sum256(body)
		return in.park(ctx, outbox.CloudEvent{ID: "unreadable:" + hex.EncodeToString(sum[:8])}, body, "push", err)
	}
	return in.take(ctx, e, body, "push")
}

// unwrap reads a CloudEvent. RocketMQ and dead letters wrap events in events, RocketMQ without a content type as a quoted
// text; the innermost is ours.
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
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) && json.Unmarshal(data, &inner) == nil && inner.SpecVersion != "" {
			body = data
			continue
		}
		if e.ID == "" || e.Type == "" || len(e.Data) == 0 {
			return e, errors.New("not a CloudEvent: id, type or data is missing")
		}
		return e, nil
	}
}

func (in *Inbox) take(ctx context.Context, e outbox.CloudEvent, raw []byte, via string) error {
	h, ok := in.handlers[e.Type]
	if !ok {
		return nil // the subscription routes by type; a broker that cannot leaves it to us
	}
	if e.TraceParent != "" {
		ctx = telemetry.WithTrace(ctx, telemetry.ParseTrace(e.TraceParent))
	}
	ctx, cancel := context.WithTimeout(ctx, handlerTimeout)
	defer cancel()
	err := in.once(ctx, h, e, via)
	if err == nil {
		received.WithLabelValues(e.Type, via).Inc()
		return nil
	}
	in.log.WarnContext(ctx, "event parked", "type", e.Type, "id", e.ID, "key", e.Subject, "error", err)
	return in.park(context.WithoutCancel(ctx), e, raw, via, err)
}

// once records the event and runs its handler, unless the inbox has the event already, done or parked.
func (in *Inbox) once(ctx context.Context, h handler, e outbox.CloudEvent, via string) error {
	record := func(db *gorm.DB) *gorm.DB {
		return db.Exec(`INSERT INTO inbox (id, source, type, key, status, via, handled_at) VALUES (?, ?, ?, ?, 'done', ?, now())
			ON CONFLICT (id) DO NOTHING`, e.ID, e.Source, e.Type, e.Subject, via)
	}
	if h.detached {
		seen, err := in.seen(ctx, []string{e.ID})
		if err != nil || seen[e.ID] {
			return err
		}
		if err := guarded(ctx, h, e.Data); err != nil {
			return err
		}
		return record(in.db.WithContext(ctx)).Error
	}
	return postgres.InTx(ctx, in.db, func(ctx context.Context, tx *gorm.DB) error {
		res := record(tx)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		return guarded(ctx, h, e.Data)
	})
}

// guarded turns a handler's panic into an error: a bad event is parked, the process lives on.
func guarded(ctx context.Context, h handler, data []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return h.call(ctx, data)
}

func (in *Inbox) park(ctx context.Context, e outbox.CloudEvent, raw []byte, via string, why error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := in.db.WithContext(ctx).Exec(`INSERT INTO inbox (id, source, type, key, status, via, reason, payload, next_try_at)
		VALUES (?, ?, ?, ?, 'parked', ?, ?, ?, now() + interval '1 second') ON CONFLICT (id) DO NOTHING`,
		e.ID, e.Source, e.Type, e.Subject, via, reason(why), printable(raw)).Error
	if err != nil {
		return fmt.Errorf("park event %s: %w", e.ID, errors.Join(err, why))
	}
	parkedTotal.Inc()
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

// reason keeps the first 2,000 bytes of an error as text PostgreSQL takes.
func reason(err error) string {
	s := err.Error()
	return printable([]byte(s[:min(len(s), 2000)]))
}

func printable(raw []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(raw), "\uFFFD"), "\x00", "\uFFFD")
}

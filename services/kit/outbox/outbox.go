// Package outbox stores events in the transaction of the change that they report, publishes them to the broker, and
// serves them as a feed. The broker is fast, the feed is the guarantee.
package outbox

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/telemetry"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the outbox's tables.
var Migrations = postgres.Migrations{Name: "outbox", FS: files}

// Event is a fact to publish: ids and amounts, no personal data.
type Event struct {
	Topic   string
	Type    string // mall.order.placed.v1
	Key     string // the aggregate's id: events of one key keep their order where the broker can
	Version int64  // the aggregate's version after the change
	Data    any
}

// CloudEvent is an event on the wire (CloudEvents 1.0, JSON).
type CloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	TraceParent     string          `json:"traceparent,omitempty"`
	Data            json.RawMessage `json:"data"`
}

// Outbox is one service's outgoing events.
type Outbox struct {
	db     *gorm.DB
	source string
	broker Broker
	log    *slog.Logger
	wake   chan struct{}
}

// New makes the outbox of the app named source.
func New(db *gorm.DB, source string, broker Broker, log *slog.Logger) *Outbox {
	return &Outbox{db: db, source: source, broker: broker, log: log, wake: make(chan struct{}, 1)}
}

// Add writes events in the transaction of ctx (see postgres.InTx): they exist exactly if the change does.
func (o *Outbox) Add(ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := o.Rows(ctx, events...)
	if err != nil {
		return err
	}
	if err := postgres.DB(ctx, o.db).Exec(Insert, rows).Error; err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	o.Notify(ctx, events...)
	return nil
}

// Insert is the statement of Add. A store that writes a change and its events by one statement ends the statement with
// Insert (and a WHERE, if needed), passes Rows as the last argument, and calls Notify afterwards.
const Insert = `INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, traceparent)
	SELECT e.id, e.topic, e.type, e.key, e.aggregate_version, e.payload, e.traceparent
	FROM jsonb_to_recordset(?::jsonb) AS e(id text, topic text, type text, key text, aggregate_version bigint,
	payload text, traceparent text)`

// Rows returns events as the argument of Insert.
func (o *Outbox) Rows(ctx context.Context, events ...Event) (string, error) {
	type row struct {
		ID      string `json:"id"`
		Topic   string `json:"topic"`
		Type    string `json:"type"`
		Key     string `json:"key"`
		Version int64  `json:"aggregate_version"`
		Payload string `json:"payload"`
		Trace   string `json:"traceparent"`
	}
	rows := make([]row, len(events))
	for i, e := range events {
		data, err := json.Marshal(e.Data)
		if err != nil {
			return "", fmt.Errorf("event %s: %w", e.Type, err)
		}
		trace := ""
		if t := telemetry.TraceFor(ctx, e.Key); t.ID != "" {
			trace = t.Header()
		}
		id, err := uuid.NewV7()
		if err != nil {
			return "", fmt.Errorf("event %s: %w", e.Type, err)
		}
		payload, err := json.Marshal(CloudEvent{SpecVersion: "1.0", ID: id.String(), Source: o.source, Type: e.Type,
			Subject: e.Key,
			Time:    time.Now().UTC(), DataContentType: "application/json", TraceParent: trace, Data: data})
		if err != nil {
			return "", fmt.Errorf("event %s: %w", e.Type, err)
		}
		rows[i] = row{id.String(), e.Topic, e.Type, e.Key, e.Version, string(payload), trace}
	}
	text, err := json.Marshal(rows)
	return string(text), err
}

// Notify wakes the relay and logs the events once the transaction of ctx has committed.
func (o *Outbox) Notify(ctx context.Context, events ...Event) {
	postgres.AfterCommit(ctx, o.db, o.wakeRelay)
	for _, e := range events {
		o.LogChange(ctx, e.Type, e.Key, "version", e.Version)
	}
}

// LogChange logs a change of state once the transaction of ctx has committed: what happened to which aggregate, with
// ids and amounts only. Notify calls it for events; stores call it for changes without an event.
func (o *Outbox) LogChange(ctx context.Context, change, subject string, args ...any) {
	postgres.AfterCommit(ctx, o.db, func() {
		ctx := telemetry.WithTrace(ctx, telemetry.TraceFor(ctx, subject))
		o.log.InfoContext(ctx, "state changed", append([]any{"change", change, "subject", subject}, args...)...)
	})
}

func (o *Outbox) wakeRelay() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Package outbox keeps events in the database of the change they tell of, hands them to the broker,
// and serves them as a feed. The broker is the fast path, the feed is the guarantee.
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

// Event is a fact to tell: ids and amounts, no personal data.
type Event struct {
	Topic   string
	Type    string // mall.order.placed.v1
	Key     string // the aggregate's id: events of one key keep their order where the broker can
	Version int64  // the aggregate's version after the change
	Data    any
}

// CloudEvent is how an event stands on the wire (CloudEvents 1.0, JSON).
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

// Outbox is one room's outgoing events.
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
	trace := ""
	if t := telemetry.TraceOf(ctx); t.ID != "" {
		trace = t.Header()
	}
	db := postgres.DB(ctx, o.db)
	for _, e := range events {
		data, err := json.Marshal(e.Data)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.Type, err)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("event %s: %w", e.Type, err)
		}
		payload, err := json.Marshal(CloudEvent{SpecVersion: "1.0", ID: id.String(), Source: o.source, Type: e.Type, Subject: e.Key,
			Time: time.Now().UTC(), DataContentType: "application/json", TraceParent: trace, Data: data})
		if err != nil {
			return fmt.Errorf("event %s: %w", e.Type, err)
		}
		err = db.Exec(`INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			id.String(), e.Topic, e.Type, e.Key, e.Version, string(payload), trace).Error
		if err != nil {
			return fmt.Errorf("event %s: %w", e.Type, err)
		}
	}
	postgres.AfterCommit(ctx, o.db, o.nudge)
	return nil
}

func (o *Outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

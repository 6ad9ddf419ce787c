package outbox

import (
	"context"
	"fmt"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/telemetry"
)

// Written is an event in the outbox, without its data.
type Written struct {
	ID          string
	Type        string
	Version     int64  // of the aggregate after the change
	TraceID     string // of the request or event that caused it, "" if it had none
	CreatedAt   time.Time
	PublishedAt *time.Time // nil: the broker has not accepted it yet
}

// ofKey reads at most a hundred events of an aggregate.
const ofKey = `SELECT id, type, traceparent, aggregate_version, created_at, published_at FROM outbox
	WHERE key = ? AND topic = ? ORDER BY seq LIMIT 100`

// History returns the first events of an aggregate that the outbox still has, oldest first, at most a hundred.
func (o *Outbox) History(ctx context.Context, topic, key string) ([]Written, error) {
	var rows []struct {
		ID, Type, Traceparent string
		AggregateVersion      int64
		CreatedAt             time.Time
		PublishedAt           *time.Time
	}
	err := postgres.DB(ctx, o.db).Raw(ofKey, key, topic).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", key, err)
	}
	written := make([]Written, len(rows))
	for i, r := range rows {
		written[i] = Written{ID: r.ID, Type: r.Type, Version: r.AggregateVersion, CreatedAt: r.CreatedAt.UTC()}
		if r.Traceparent != "" {
			written[i].TraceID = telemetry.ParseTrace(r.Traceparent).ID
		}
		if r.PublishedAt != nil {
			at := r.PublishedAt.UTC()
			written[i].PublishedAt = &at
		}
	}
	return written, nil
}

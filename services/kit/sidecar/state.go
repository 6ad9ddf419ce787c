package sidecar

import (
	"context"
	"fmt"
	"strconv"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daprmall.dev/services/kit/problem"
)

// Document is a value in a state store with the ETag it had when it was read ("" if it did not exist).
type Document struct {
	Key   string
	Value []byte
	ETag  string
	TTL   time.Duration // 0: kept for ever
}

// ErrStale says that a document changed since it was read.
var ErrStale = problem.New(problem.Conflict, "stale", "The document changed meanwhile.")

// Load reads a document; one that does not exist has no value and no ETag.
func (c *Client) Load(ctx context.Context, store, key string) (Document, error) {
	item, err := c.grpc.GetStateWithConsistency(ctx, store, key, nil, dapr.StateConsistencyStrong)
	if err != nil {
		return Document{}, problem.Busy(fmt.Errorf("state %s: %w", store, err), time.Second, "A part of the mall cannot be reached right now.")
	}
	return Document{Key: key, Value: item.Value, ETag: item.Etag}, nil
}

// Store writes documents in one transaction. One that was read must still have its ETag, one that did not exist must
// still not exist: else nothing is written and the error is ErrStale. A document without Guard is written as it is.
func (c *Client) Store(ctx context.Context, store string, docs ...Document) error {
	ops := make([]*dapr.StateOperation, len(docs))
	for i, d := range docs {
		item := &dapr.SetStateItem{Key: d.Key, Value: d.Value,
			Options: &dapr.StateOptions{Concurrency: dapr.StateConcurrencyFirstWrite, Consistency: dapr.StateConsistencyStrong}}
		if d.ETag != "" {
			item.Etag = &dapr.ETag{Value: d.ETag}
		}
		item.Metadata = map[string]string{"contentType": "application/json"}
		if d.TTL > 0 {
			item.Metadata["ttlInSeconds"] = strconv.Itoa(int(d.TTL / time.Second))
		}
		ops[i] = &dapr.StateOperation{Type: dapr.StateOperationTypeUpsert, Item: item}
	}
	err := c.grpc.ExecuteStateTransaction(ctx, store, nil, ops)
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.Aborted, codes.FailedPrecondition, codes.InvalidArgument:
		return ErrStale
	}
	return problem.Busy(fmt.Errorf("state %s: %w", store, err), time.Second, "A part of the mall cannot be reached right now.")
}

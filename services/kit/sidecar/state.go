package sidecar

import (
	"context"
	"strconv"
	"strings"
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

// existsAlready is part of the error of Dapr's Redis store for a document without an ETag that exists already: its
// script refuses, nothing is written, and Dapr has no code for it (components-contrib, state/redis). No other failure
// mentions a script.
const existsAlready = "user_script"

// Save writes a document that was read, if its ETag has not changed and a new one still does not exist. Otherwise
// nothing is written and the error is ErrStale.
func (c *Client) Save(ctx context.Context, store string, d Document) error {
	item := &dapr.SetStateItem{Key: d.Key, Value: d.Value, Metadata: map[string]string{"contentType": "application/json"},
		Options: &dapr.StateOptions{Concurrency: dapr.StateConcurrencyFirstWrite, Consistency: dapr.StateConsistencyStrong}}
	if d.ETag != "" {
		item.Etag = &dapr.ETag{Value: d.ETag}
	}
	if d.TTL > 0 {
		item.Metadata["ttlInSeconds"] = strconv.Itoa(int(d.TTL / time.Second))
	}
	err := c.grpc.SaveBulkState(ctx, store, item)
	switch {
	case err == nil:
		return nil
	case status.Code(err) == codes.Aborted, d.ETag == "" && strings.Contains(err.Error(), existsAlready):
		return ErrStale
	}
	return classify(err, "state %s", store)
}

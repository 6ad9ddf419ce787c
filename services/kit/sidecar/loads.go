package sidecar

import (
	"context"
	"slices"
	"time"

	dapr "github.com/dapr/go-sdk/client"

	"daprmall.dev/services/kit/batch"
)

const (
	maxLoads     = 32 // documents that are read together
	loadPatience = 20 * time.Millisecond
	// loadTimeout ends a shared read that every caller may have given up; it is above the stores' own (resiliency.yaml).
	loadTimeout = 5 * time.Second
)

// load is the read of a document that may share a request to the sidecar with others that wait.
type load struct {
	ctx        context.Context //nolint:containedctx // of a read that goes alone
	store, key string
}

// Load reads a document; one that does not exist has no value and no ETag.
func (c *Client) Load(ctx context.Context, store, key string) (Document, error) {
	return c.loads.Do(ctx, load{ctx, store, key})
}

func (c *Client) loadAlone(l load) (r batch.Result[Document]) {
	item, err := c.grpc.GetStateWithConsistency(l.ctx, l.store, l.key, nil, dapr.StateConsistencyStrong)
	if err != nil {
		r.Err = classify(err, "state %s", l.store)
		return r
	}
	r.Value = Document{Key: l.key, Value: item.Value, ETag: item.Etag}
	return r
}

// loadAll reads documents that were asked for at the same time, those of a store by one request.
func (c *Client) loadAll(all []load, done func(i int, r batch.Result[Document])) {
	if len(all) == 1 {
		done(0, c.loadAlone(all[0]))
		return
	}
	byStore := map[string][]int{}
	for i, l := range all {
		byStore[l.store] = append(byStore[l.store], i)
	}
	for store, asked := range byStore {
		c.loadFrom(store, all, asked, done)
	}
}

// loadFrom reads documents of one store. One that fails is read alone, for its error.
func (c *Client) loadFrom(store string, all []load, asked []int, done func(i int, r batch.Result[Document])) {
	var keys []string
	for _, i := range asked {
		if !slices.Contains(keys, all[i].key) {
			keys = append(keys, all[i].key)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(all[asked[0]].ctx), loadTimeout)
	defer cancel()
	items, err := c.grpc.GetBulkState(ctx, store, keys, nil, int32(len(keys)))
	read := make(map[string]*dapr.BulkStateItem, len(items))
	for _, item := range items {
		read[item.Key] = item
	}
	for _, i := range asked {
		item := read[all[i].key]
		switch {
		case err != nil:
			done(i, batch.Result[Document]{Err: classify(err, "state %s", store)})
		case item == nil || item.Error != "":
			go func() { done(i, c.loadAlone(all[i])) }()
		default:
			done(i, batch.Result[Document]{Value: Document{Key: item.Key, Value: item.Value, ETag: item.Etag}})
		}
	}
}

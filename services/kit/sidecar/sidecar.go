// Package sidecar is the only way to Dapr: invocation, bindings, pub/sub, state, secrets and configuration, all through
// the process's own daprd. No other package imports the SDK.
package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/bulk"
	"daprmall.dev/services/kit/config"
)

// Names of components that every service sees, whatever implements them.
const (
	SecretStore = "secrets"
	PubSub      = "events"
)

// Client speaks to one sidecar. It is safe for concurrent use.
type Client struct {
	env      config.Env
	base     string // http://127.0.0.1:port
	http     *http.Client
	grpc     dapr.Client
	peerKeys map[string]string // by the app that is called
	breakers *Breakers
	loads    *batch.Group[load, Document]
	mailing  sync.Mutex // see SendMail
	// writeOnly are the bindings that ReadFile does not ask.
	writeOnly sync.Map
}

// New makes a client. Connections are made when they are first needed.
func New(env config.Env) (*Client, error) {
	dapr.SetLogger(nil) // it prints plain lines among our JSON
	conn, err := grpc.NewClient(net.JoinHostPort("127.0.0.1", strconv.Itoa(env.DaprGRPCPort)),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(withToken(env.DaprAPIToken)),
		// The sidecar restarts within seconds; the default back-off would wait for up to two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnectBackoff, MinConnectTimeout: time.Second}))
	if err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	c := &Client{
		env:  env,
		base: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(env.DaprHTTPPort)),
		http: &http.Client{Transport: bulk.New(&http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 256,
			IdleConnTimeout: 90 * time.Second})},
		grpc:     dapr.NewClientWithConnection(conn),
		breakers: NewBreakers(),
	}
	c.loads = batch.NewStream(maxLoads, loadPatience, c.loadAll)
	return c, nil
}

// UsePeerKeys reads the keys by which this service proves its app id to others (identity.CallerKeyHeader; secret
// <app>-peers) and sends them from now on. Call it before the first Invoke.
func (c *Client) UsePeerKeys(ctx context.Context) (err error) {
	c.peerKeys, err = c.Secret(ctx, c.env.AppID+"-peers")
	return err
}

// CallerKeys reads the keys that other apps send to this service, by app id (secret <app>-callers).
func (c *Client) CallerKeys(ctx context.Context) (map[string]string, error) {
	return c.Secret(ctx, c.env.AppID+"-callers")
}

// PeerKey is the key to send to an app, "" if there is none.
func (c *Client) PeerKey(app string) string { return c.peerKeys[app] }

func withToken(token string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker,
		opts ...grpc.CallOption) error {
		if token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "dapr-api-token", token)
		}
		return call(ctx, method, req, reply, cc, opts...)
	}
}

// Wait returns when the sidecar can be used for outgoing calls, or with ctx's error.
func (c *Client) Wait(ctx context.Context) error {
	for {
		err := c.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for sidecar: %w", errors.Join(ctx.Err(), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Ready reports whether the sidecar can be used for outgoing calls now. It does not ask about the app itself, which
// would be circular.
func (c *Client) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1.0/healthz/outbound", nil)
	if err != nil {
		return err
	}
	req.Header.Set("dapr-api-token", c.env.DaprAPIToken)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("sidecar answered %d", res.StatusCode)
	}
	return nil
}

// Secret returns the keys and values of one secret.
func (c *Client) Secret(ctx context.Context, name string) (map[string]string, error) {
	s, err := c.grpc.GetSecret(ctx, SecretStore, name, nil)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return s, nil
}

// Config returns the values of those keys that are set; Client implements config.Store. Each app has a store name of
// its own (config-<app>), so that it can read only its own settings.
func (c *Client) Config(ctx context.Context, keys []string) (map[string]config.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	items, err := c.grpc.GetConfigurationItems(ctx, "config-"+c.env.AppID, keys)
	if err != nil {
		return nil, err
	}
	values := make(map[string]config.Value, len(items))
	for k, item := range items {
		if item != nil {
			version, _ := strconv.ParseInt(item.Version, 10, 64) // missing or foreign: 0
			values[k] = config.Value{Text: item.Value, Version: version}
		}
	}
	return values, nil
}

// Bind calls an operation of an output binding with in as JSON and reads its JSON answer into out.
func (c *Client) Bind(ctx context.Context, binding, operation string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ev, err := c.grpc.InvokeBinding(ctx, &dapr.InvokeBindingRequest{Name: binding, Operation: operation, Data: data})
	if err != nil {
		return classify(err, "binding %s %s", binding, operation)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(ev.Data, out); err != nil {
		return fmt.Errorf("binding %s %s: read answer: %w", binding, operation, err)
	}
	return nil
}

// Entry is one event to publish: a complete CloudEvent in JSON.
type Entry struct {
	ID   string
	Key  string // entries with one key keep their order where the broker can
	Data []byte
}

// Publish publishes entries and returns the ids that the broker did not accept. After an error the outcome of all is
// unknown: publishing again is safe, consumers drop repetitions.
func (c *Client) Publish(ctx context.Context, topic string, entries []Entry) (refused map[string]bool, err error) {
	events := make([]any, len(entries))
	for i, e := range entries {
		events[i] = dapr.PublishEventsEvent{EntryID: e.ID, Data: e.Data, ContentType: "application/cloudevents+json",
			Metadata: map[string]string{"partitionKey": e.Key, "rocketmq-shardingkey": e.Key}}
	}
	res := c.grpc.PublishEvents(ctx, PubSub, topic, events)
	if res.Error != nil && len(res.FailedEvents) == len(entries) {
		return nil, fmt.Errorf("publish to %s: %w", topic, res.Error)
	}
	refused = map[string]bool{}
	for _, f := range res.FailedEvents {
		switch f := f.(type) {
		case dapr.PublishEventsEvent:
			refused[f.EntryID] = true
		case string:
			refused[f] = true
		}
	}
	return refused, nil
}

// Shutdown stops the sidecar; its supervisor starts it again.
func (c *Client) Shutdown(ctx context.Context) error {
	if err := c.grpc.Shutdown(ctx); err != nil && status.Code(err) != codes.Unavailable {
		return fmt.Errorf("shut sidecar down: %w", err)
	}
	return nil
}

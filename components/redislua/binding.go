package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	proto "github.com/dapr/dapr/pkg/proto/components/v1"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"daprmall.dev/redislua/internal/gate"
)

// binding serves dapr.proto.components.v1.OutputBinding.
type binding struct {
	proto.UnimplementedOutputBindingServer
	only []string // the operations that may be used; none: all

	mu     sync.RWMutex
	opts   *redis.UniversalOptions
	client redis.UniversalClient
	gate   *gate.Gate
}

func newBinding(opts *redis.UniversalOptions, only []string) *binding {
	b := &binding{only: only}
	b.use(opts)
	return b
}

// use replaces the current client by one with these options.
func (b *binding) use(opts *redis.UniversalOptions) {
	client := redis.NewUniversalClient(opts)
	b.mu.Lock()
	old := b.client
	b.opts, b.client, b.gate = opts, client, gate.New(client)
	b.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

func (b *binding) close() {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_ = b.client.Close()
}

func (b *binding) current() *gate.Gate {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.gate
}

// Init lets the Component's metadata (redisHost, redisPassword, redisType and so on) override the environment. Nothing
// may depend on it: after a restart of this process daprd does not call it again.
func (b *binding) Init(_ context.Context, in *proto.OutputBindingInitRequest) (*proto.OutputBindingInitResponse,
	error) {
	p := in.GetMetadata().GetProperties()
	if p[redisHost] == "" {
		return &proto.OutputBindingInitResponse{}, nil
	}
	opts, err := redisOptions(func(name string) string { return p[name] })
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	b.use(opts)
	return &proto.OutputBindingInitResponse{}, nil
}

// Invoke runs one operation. Malformed input gives InvalidArgument, a Redis that does not answer gives Unavailable. A
// refusal such as "sold out" is an ordinary answer, so that Dapr's retries and breakers do not count it as a failure.
func (b *binding) Invoke(ctx context.Context, in *proto.InvokeRequest) (*proto.InvokeResponse, error) {
	if !slices.Contains(b.operations(), in.GetOperation()) && slices.Contains(gate.Operations(), in.GetOperation()) {
		return nil, status.Errorf(codes.PermissionDenied, "operation %s is not for this app", in.GetOperation())
	}
	out, err := b.current().Do(ctx, in.GetOperation(), in.GetData())
	if err != nil {
		if errors.Is(err, gate.ErrInvalid) {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		slog.Error("operation failed", "operation", in.GetOperation(), "error", err)
		return nil, status.Error(codes.Unavailable, fmt.Sprintf("%s: %v", in.GetOperation(), err))
	}
	return &proto.InvokeResponse{Data: out, ContentType: "application/json"}, nil
}

// ListOperations names the operations that Invoke accepts.
func (b *binding) ListOperations(context.Context, *proto.ListOperationsRequest) (*proto.ListOperationsResponse, error) {
	return &proto.ListOperationsResponse{Operations: b.operations()}, nil
}

func (b *binding) operations() []string {
	if len(b.only) > 0 {
		return b.only
	}
	return gate.Operations()
}

// Ping reports that the process is alive. It does not ask Redis: while Redis is down, the sidecar must keep the
// component.
func (b *binding) Ping(context.Context, *proto.PingRequest) (*proto.PingResponse, error) {
	return &proto.PingResponse{}, nil
}

// serve answers calls until ctx ends, then gives running calls a few seconds to finish.
func serve(ctx context.Context, lis net.Listener, b *binding) error {
	srv := grpc.NewServer()
	proto.RegisterOutputBindingServer(srv, b)
	reflection.Register(srv) // v1 and v1alpha: daprd discovers the service by v1alpha

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		stopGracefully(srv)
	}()
	if err := srv.Serve(lis); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	<-stopped
	return nil
}

func stopGracefully(srv *grpc.Server) {
	done := make(chan struct{})
	go func() { defer close(done); srv.GracefulStop() }()
	select {
	case <-done:
	case <-time.After(stopWithin):
		srv.Stop()
	}
}

package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	proto "github.com/dapr/dapr/pkg/proto/components/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	discovery "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"

	"daprmall.dev/redislua/internal/redistest"
)

// component starts the whole process except main and never calls Init, as after a crash: its socket file is left over
// from a dead process.
func component(t *testing.T, addr string, vars ...string) (*grpc.ClientConn, func() error) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "redislua.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()

	env := map[string]string{"REDISLUA_SOCKET": socket, "REDISLUA_REDIS_ADDR": addr}
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	cfg, err := configFromEnv(func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	lis, err := listen(cfg.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := newBinding(cfg.redis, cfg.only)
	served := make(chan error, 1)
	go func() { served <- serve(ctx, lis, b) }()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	stop := func() error { cancel(); return <-served }
	t.Cleanup(func() { _ = conn.Close(); cancel(); b.close() })
	return conn, stop
}

func TestComponentWorksWithoutInit(t *testing.T) {
	conn, stop := component(t, redistest.Addr(t))
	ctx := t.Context()
	client := proto.NewOutputBindingClient(conn)

	ops, err := client.ListOperations(ctx, &proto.ListOperationsRequest{})
	if err != nil || !slices.Contains(ops.GetOperations(), "hold") {
		t.Fatalf("ListOperations: %v, %v", ops, err)
	}
	res, err := client.Invoke(ctx, &proto.InvokeRequest{Operation: "lock",
		Data: []byte(`{"key":"component-test","owner":"a","ttl_ms":1000}`)})
	if err != nil || string(res.GetData()) != `{"acquired":true}` {
		t.Errorf("lock: %s, %v", res.GetData(), err)
	}
	_, err = client.Invoke(ctx, &proto.InvokeRequest{Operation: "lock", Data: []byte(`{"key":"x"}`)})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("malformed lock: %v, want InvalidArgument", err)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// The gateway limits sign-ins with this binding. It may not use the operations of the stock gate.
func TestAnAppGetsOnlyItsOperations(t *testing.T) {
	conn, _ := component(t, redistest.Addr(t), "REDISLUA_OPERATIONS=limit,lock")
	client := proto.NewOutputBindingClient(conn)
	ops, err := client.ListOperations(t.Context(), &proto.ListOperationsRequest{})
	if err != nil || !slices.Equal(ops.GetOperations(), []string{"limit", "lock"}) {
		t.Errorf("ListOperations: %v, %v", ops, err)
	}
	for operation, want := range map[string]codes.Code{"hold": codes.PermissionDenied, "apply": codes.PermissionDenied,
		"inspect": codes.PermissionDenied, "nonsense": codes.InvalidArgument, "lock": codes.OK} {
		_, err := client.Invoke(t.Context(), &proto.InvokeRequest{Operation: operation,
			Data: []byte(`{"key":"only-test","owner":"a","ttl_ms":1000}`)})
		if status.Code(err) != want {
			t.Errorf("%s: %v, want %v", operation, err, want)
		}
	}
}

// daprd finds the binding by asking for services over the older reflection protocol.
func TestComponentIsDiscoverable(t *testing.T) {
	conn, _ := component(t, "127.0.0.1:1")
	stream, err := discovery.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(
		&discovery.ServerReflectionRequest{MessageRequest: &discovery.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	res, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range res.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	if !slices.Contains(names, "dapr.proto.components.v1.OutputBinding") {
		t.Errorf("services: %v, want the output binding among them", names)
	}
}

func TestARedisThatIsDownIsUnavailableSoon(t *testing.T) {
	conn, _ := component(t, "127.0.0.1:1")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := proto.NewOutputBindingClient(conn).Invoke(ctx, &proto.InvokeRequest{Operation: "run_id"})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("run_id: %v, want Unavailable", err)
	}
}

func TestALivingSocketIsNotStolen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	first, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	if second, err := listen(path); err == nil {
		_ = second.Close()
		t.Error("a second process took the socket of a living one")
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the first socket is gone: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, env := range []map[string]string{
		{},
		{"REDISLUA_SOCKET": "relative.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379"},
		{"REDISLUA_SOCKET": "/tmp/x.sock"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "no-port"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379", "REDISLUA_REDIS_TYPE": "sentinel"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379", "REDISLUA_REDIS_MASTER": "mall"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379", "REDISLUA_REDIS_TYPE": "failover"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379", "REDISLUA_REDIS_TLS": "maybe"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379", "REDISLUA_REDIS_TLS_CA": "/tmp/ca.pem"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379", "REDISLUA_REDIS_TLS": "true",
			"REDISLUA_REDIS_TLS_CA": "/nowhere"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379", "REDISLUA_REDIS_TLS": "true",
			"REDISLUA_REDIS_TLS_CERT": "/nowhere"},
		{"REDISLUA_SOCKET": "/tmp/x.sock", "REDISLUA_REDIS_ADDR": "127.0.0.1:6379", "REDISLUA_OPERATIONS": "limit,hodl"},
	} {
		if cfg, err := configFromEnv(func(k string) string { return env[k] }); err == nil {
			t.Errorf("%v gave %+v, want an error", env, cfg)
		}
	}
}

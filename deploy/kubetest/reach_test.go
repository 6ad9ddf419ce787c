package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"
)

func TestWhichAddressesAcceptConnections(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var out bytes.Buffer
	if err := reach(ctx, []string{server.Addr().String(), closed.Addr().String()}, &out); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !got[server.Addr().String()] || got[closed.Addr().String()] || len(got) != 2 {
		t.Errorf("open: %v, want only %s", got, server.Addr())
	}
}

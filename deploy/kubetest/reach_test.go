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

// What accepts connections only after the first try is waited for.
func TestAPodWaitsForWhatItNeeds(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := first.Addr().String()
	_ = first.Close()
	waited := make(chan error, 1)
	go func() { waited <- await(t.Context(), "http://"+addr) }()
	late := time.AfterFunc(2*retry, func() {
		if server, err := net.Listen("tcp", addr); err == nil {
			t.Cleanup(func() { _ = server.Close() })
		}
	})
	defer late.Stop()
	if err := <-waited; err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := await(ended, "postgres://a:secret@127.0.0.1:1/a"); err == nil {
		t.Error("an address that nobody listens at is reached")
	}
}

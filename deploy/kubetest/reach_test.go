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
	late := unused(t)
	start := time.AfterFunc(2*retry, func() { listen(t, late) })
	defer start.Stop()
	open, closed := []string{server.Addr().String(), late}, unused(t)
	for _, want := range [][]string{open, nil} { // as it becomes; as it never is
		var out bytes.Buffer
		if err := reach(t.Context(), want, append(open, closed), retry, 8*retry, &out); err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if !got[open[0]] || !got[open[1]] || got[closed] || len(got) != 3 {
			t.Errorf("open: %v, want only %v", got, open)
		}
	}
}

// What accepts connections only after the first try is waited for.
func TestAPodWaitsForWhatItNeeds(t *testing.T) {
	addr := unused(t)
	waited := make(chan error, 1)
	go func() { waited <- await(t.Context(), "http://"+addr) }()
	late := time.AfterFunc(2*retry, func() { listen(t, addr) })
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

// unused is an address that nobody listens at.
func unused(t *testing.T) string {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	return server.Addr().String()
}

// listen accepts connections at addr until the test ends.
func listen(t *testing.T, addr string) {
	t.Helper()
	if server, err := net.Listen("tcp", addr); err == nil {
		t.Cleanup(func() { _ = server.Close() })
	}
}

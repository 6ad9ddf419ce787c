package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"daprmall.dev/deploy/internal/redis"
)

// serveKeys is a Redis with keys of these types. It gives its client, and how often something was changed.
func serveKeys(t *testing.T, types map[string]string) (*redis.Client, *atomic.Int32) {
	t.Helper()
	var changes atomic.Int32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		for {
			var n, size int
			if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
				return
			}
			words := make([]string, n)
			for i := range words {
				if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
					return
				}
				word := make([]byte, size+2)
				if _, err := io.ReadFull(r, word); err != nil {
					return
				}
				words[i] = strings.TrimSpace(string(word))
			}
			answer := "none"
			switch kind, ok := types[words[1]]; {
			case words[0] == "TYPE" && ok:
				answer = kind
			case words[0] != "TYPE":
				changes.Add(1)
				answer = "OK"
			}
			if _, err := fmt.Fprintf(conn, "+%s\r\n", answer); err != nil {
				return
			}
		}
	}()
	c, err := redis.Dial(t.Context(), l.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, &changes
}

// Streams, carts and the gate lie in the same Redis, some under names that begin like a setting's.
func TestConfigChangesNothingButSettings(t *testing.T) {
	c, changes := serveKeys(t, map[string]string{"mall.orders": "stream", "mall:{mall}:product:1": "hash", "gateway.rate.user": "string"})
	for _, key := range []string{"mall.orders", "mall:{mall}:product:1", "mall.", "nonsense"} {
		if err := configSet(c, key, "x"); err == nil || changes.Load() > 0 {
			t.Errorf("set %s: %v, %d changes", key, err, changes.Load())
		}
		if err := configUnset(c, key); err == nil || changes.Load() > 0 {
			t.Errorf("unset %s: %v, %d changes", key, err, changes.Load())
		}
		changes.Store(0)
	}
	for _, key := range []string{"gateway.rate.user", "gateway.rate.anonymous"} {
		if err := configSet(c, key, "1/1"); err != nil {
			t.Errorf("set %s: %v", key, err)
		}
		if err := configUnset(c, key); err != nil {
			t.Errorf("unset %s: %v", key, err)
		}
	}
	if changes.Load() != 4 {
		t.Errorf("%d changes, want 4", changes.Load())
	}
}

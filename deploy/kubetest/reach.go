package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"time"
)

const (
	// reachFor is how long addresses are tried: rules for a pod that has just started may come after it.
	reachFor = 6 * time.Second
	// reachWithin is how long one try may take. A network policy that is enforced lets no answer through.
	reachWithin = 2 * time.Second
)

// reach writes which addresses accept connections in the end.
func reach(ctx context.Context, addrs []string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	open := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, addr := range addrs {
		wg.Go(func() {
			answers := accepts(ctx, addr)
			mu.Lock()
			defer mu.Unlock()
			open[addr] = answers
		})
	}
	wg.Wait()
	return json.NewEncoder(out).Encode(open)
}

// accepts is the outcome of the last try that ctx did not cut off.
func accepts(ctx context.Context, addr string) (open bool) {
	for {
		conn, err := (&net.Dialer{Timeout: reachWithin}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		if err == nil || ctx.Err() == nil {
			open = err == nil
		}
		if pause(ctx) != nil {
			return open
		}
	}
}

// await returns when the host of every URL accepts connections: until a pod that has just started is in the rules of
// network policies, a cluster refuses what they allow.
func await(ctx context.Context, urls ...string) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			return errors.New("an address is no URL") // it may have a password
		}
		addr := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), u.Scheme))
		for {
			conn, err := (&net.Dialer{Timeout: reachWithin}).DialContext(ctx, "tcp", addr)
			if err == nil {
				_ = conn.Close()
				break
			}
			if ended := pause(ctx); ended != nil {
				return errors.Join(err, ended)
			}
		}
	}
	return nil
}

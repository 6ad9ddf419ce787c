package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// reachSteady is how long all addresses must be as they should be: rules for a pod that has just started come after
	// it, and may open what is closed or close what is open.
	reachSteady = 6 * time.Second
	// reachAtMost is how long that is waited for.
	reachAtMost = time.Minute
	// reachWithin is how long one try may take. A network policy that is enforced lets no answer through.
	reachWithin = 2 * time.Second
)

// reach tries addrs until just those of open have accepted connections for steady, or until atMost has passed, and
// writes which accepted connections last.
func reach(ctx context.Context, open, addrs []string, steady, atMost time.Duration, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	var got map[string]bool
	for since := time.Now(); ; {
		round := accept(ctx, addrs)
		if got != nil && ctx.Err() != nil {
			break // the end cut tries off
		}
		got = round
		for addr, accepts := range got {
			if accepts != slices.Contains(open, addr) {
				since = time.Now()
			}
		}
		if time.Since(since) >= steady || pause(ctx) != nil {
			break
		}
	}
	return json.NewEncoder(out).Encode(got)
}

// accept is which addrs accept a connection now.
func accept(ctx context.Context, addrs []string) map[string]bool {
	open := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, addr := range addrs {
		wg.Go(func() {
			conn, err := (&net.Dialer{Timeout: reachWithin}).DialContext(ctx, "tcp", addr)
			if err == nil {
				_ = conn.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			open[addr] = err == nil
		})
	}
	wg.Wait()
	return open
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

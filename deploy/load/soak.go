package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/running"
)

const (
	leastMinutes = settled + 2
	mostMinutes  = 60
)

// soak repeats the scenarios minute by minute, says after each what the mall holds, and fails if something grows.
func (l *load) soak(ctx context.Context, m running.Mall, o options, say func(string, ...any)) error {
	say("  minute       ok/s   p50 ms   p99 ms       MB  goroutines  sockets  core-ms per success")
	var samples []map[string]held
	for minute := range o.soak {
		sc := o.scenarios[minute%len(o.scenarios)]
		if err := l.ready(ctx, sc, o.shoppers[0]); err != nil {
			return fmt.Errorf("prepare %s: %w", sc.name, err)
		}
		r, err := l.run(ctx, sc, o.shoppers[0])
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		now := holding(ctx, m, l.pids)
		samples = append(samples, now)
		total := sum(now)
		say("  %6d %10.0f %8.1f %8.1f %8.0f %11.0f %8.0f %20.2f   %s%s", minute+1, r.PerSecond, r.P50, r.P99,
			total.memory/mega, total.goroutines, total.sockets, r.Mall, sc.name, r.failures())
	}
	say("\nafter minute %d → %d:\n%s", settled+1, len(samples), byProcess(samples[settled], samples[len(samples)-1]))
	if found := grown(samples); len(found) > 0 {
		return fmt.Errorf("something grows: %s", strings.Join(found, "; "))
	}
	say("nothing grows: no process by more than a tenth (of PostgreSQL and Redis, which keep the orders, without memory)")
	return nil
}

// soakFor bounds a soak: each minute has its load, its preparation and its events.
func soakFor(minutes int) time.Duration { return time.Duration(minutes) * (time.Minute + 2*drainFor) }

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// drainFor is how long a cell waits for its events at most.
const drainFor = time.Minute

// result is one cell: a scenario with so many shoppers.
type result struct {
	Scenario  string  `json:"scenario"`
	Shoppers  int     `json:"shoppers"`
	Seconds   float64 `json:"seconds"`
	Successes int     `json:"successes"`
	PerSecond float64 `json:"successes_per_second"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	P99       float64 `json:"p99_ms"`
	Machine   float64 `json:"machine_core_ms_per_success"`
	Mall      float64 `json:"mall_core_ms_per_success"`
	Generator float64 `json:"generator_core_ms_per_success"`
	// The rate of the scenario hop in this run in parts of this rate, and the mall's CPU time in parts of a hop's.
	Hops    float64 `json:"hops,omitempty"`
	CPUHops float64 `json:"cpu_hops,omitempty"`
	// Others is the share of all cores' time that neither the mall nor the generator took.
	Others     float64            `json:"others_share"`
	Parts      map[string]float64 `json:"core_ms_per_success_by_process"`
	Deliveries int                `json:"event_deliveries"`
	Drained    float64            `json:"drained_after_seconds"`
	Undrained  int                `json:"deliveries_not_made"`
	EventP50   float64            `json:"event_p50_ms,omitempty"` // from its commit to its consumer's transaction
	EventP99   float64            `json:"event_p99_ms,omitempty"`
	Errors     map[string]int     `json:"errors"`
	where      string
}

// advice tells how refusals by the caps of a shopper are avoided. The load test itself switches them off, so that
// somebody has switched them on since.
var advice = map[string]string{
	"too_many_open_orders": "(mall config set checkout.max_open_orders 0)",
	"too_many_held_units":  "(mall config set checkout.max_held_units 0)",
}

// run lets n shoppers do a scenario for the time, and waits for what follows from it. The clock of the CPU stops only
// then.
func (l *load) run(ctx context.Context, sc scenario, n int) (result, error) {
	r := result{Scenario: sc.name, Shoppers: n, Errors: map[string]int{}, Parts: map[string]float64{}}
	if err := l.drain.Mark(ctx); err != nil {
		return r, err
	}
	var mu sync.Mutex
	var took []time.Duration
	before := used(l.pids)
	began := time.Now()
	end := began.Add(l.seconds)
	turns := newTurns(began, l.rate)
	var wg sync.WaitGroup
	for _, s := range l.shoppers[:n] {
		wg.Go(func() {
			var mine []time.Duration
			failed := map[string]int{}
			for time.Now().Before(end) && ctx.Err() == nil {
				at, err := turns.wait(ctx, end)
				if err != nil {
					break
				}
				a, want, err := sc.step(ctx, l, s)
				if errors.Is(err, errNothingLeft) {
					break
				}
				switch {
				case err != nil:
					failed[reason(err)]++
				case a.Status != want:
					failed[strings.TrimSpace(fmt.Sprintf("%d %s %s", a.Status, a.Code(), advice[a.Code()]))]++
				default:
					mine = append(mine, time.Since(at))
					continue
				}
				// A refusal costs next to nothing: without a pause it would be all there is.
				time.Sleep(10 * time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			for why, n := range failed {
				r.Errors[why] += n
			}
		})
	}
	wg.Wait()
	r.Seconds = time.Since(began).Seconds()
	if sc.events {
		at := time.Now()
		var err error
		if r.Undrained, r.Deliveries, err = l.drain.Wait(ctx, drainFor); err != nil {
			return r, err
		}
		r.Drained = time.Since(at).Seconds()
	}
	cost := used(l.pids).minus(before)
	if sc.events {
		events, err := l.drain.Latencies(ctx)
		if err != nil {
			return r, err
		}
		if len(events) > 0 {
			r.EventP50, r.EventP99 = quantile(events, .5), quantile(events, .99)
		}
	}
	r.Successes = len(took)
	if r.Successes == 0 {
		return r, nil
	}
	per := float64(r.Successes)
	r.PerSecond = per / r.Seconds
	slices.Sort(took)
	r.P50, r.P95, r.P99 = quantile(took, .5), quantile(took, .95), quantile(took, .99)
	r.Others = cost.others() / (1000 * time.Since(began).Seconds() * float64(runtime.NumCPU()))
	r.Machine, r.Mall, r.Generator = cost.machine/per, cost.mall()/per, cost.self/per
	for name, ms := range cost.parts {
		r.Parts[name] = ms / per
	}
	r.where = cost.biggest(20, per)
	return r, nil
}

// reason shortens a transport error to what is the same for many.
func reason(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, ": "); i >= 0 {
		s = s[i+2:]
	}
	return s
}

// quantile returns milliseconds; sorted must not be empty.
func quantile(sorted []time.Duration, q float64) float64 {
	i := min(int(q*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[i].Microseconds()) / 1000
}

// quiet is the share of the machine that others may take in a run whose figures mean something.
const quiet = 0.10

// inHops compares with the scenario hop of the same run and number of shoppers, if there was one.
func (r *result) inHops(hop result) {
	if hop.PerSecond > 0 && r.PerSecond > 0 {
		r.Hops = hop.PerSecond / r.PerSecond
	}
	if hop.Mall > 0 {
		r.CPUHops = r.Mall / hop.Mall
	}
}

const head = "  scenario    shoppers     ok/s   hops    p50 ms   p95 ms   p99 ms   core-ms per success: machine  " +
	"  mall  generator  in hops   events drained after; from commit to consumer"

// hops writes a number of hops, - if it is not known.
func hops(n float64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", n)
}

func (r result) line() string {
	events := ""
	if r.Deliveries > 0 {
		events = fmt.Sprintf("%d in %.1f s; %.0f ms, p99 %.0f", r.Deliveries, r.Drained, r.EventP50, r.EventP99)
	}
	if r.Undrained > 0 {
		events += fmt.Sprintf(", %d NOT", r.Undrained)
	}
	s := fmt.Sprintf("  %-11s %8d %8.0f %6s  %8.1f %8.1f %8.1f %30.2f %7.2f %10.2f %8s   %s", r.Scenario, r.Shoppers,
		r.PerSecond, hops(r.Hops), r.P50, r.P95, r.P99, r.Machine, r.Mall, r.Generator, hops(r.CPUHops), events)
	if r.Others > quiet {
		s += fmt.Sprintf("\n      not quiet: other processes took %.0f%% of this machine", 100*r.Others)
	}
	return s + r.failures()
}

// failures is a line for each reason.
func (r result) failures() (s string) {
	for _, why := range slices.Sorted(maps.Keys(r.Errors)) {
		s += fmt.Sprintf("\n      %d × %s", r.Errors[why], why)
	}
	return s
}

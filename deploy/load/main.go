// Command load measures the mall that runs on this machine: successes a second, latencies, and the CPU that each
// success costs the whole machine, the handling of its events included. It talks to loopback only and stops by itself.
// The generator runs on the same machine and takes its part of it. Call it as go run ./deploy/mall load.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/audit"
	"daprmall.dev/deploy/internal/running"
)

const (
	mostShoppers = 256
	mostSeconds  = 60
	mostRate     = 10_000
)

type options struct {
	scenarios []scenario
	shoppers  []int
	seconds   int
	rate      int // requests a second; 0: as many as the shoppers can
	soak      int // minutes; 0: each cell once
	events    int // that are published at once; 0: scenarios instead
	streams   int // of orders that are open; 0: scenarios instead
	json      bool
	where     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	which := f.String("scenario", "", "scenarios, separated by commas: "+strings.Join(names, ",")+
		" (default all, of a soak mix)")
	crowd := f.String("shoppers", "", "numbers of concurrent shoppers, separated by commas (default 1,16,64, of a soak "+
		"64)")
	var o options
	f.IntVar(&o.seconds, "seconds", 5, "duration per scenario and number of shoppers, at most "+strconv.Itoa(mostSeconds))
	f.IntVar(&o.rate, "rate", 0, "maximum requests a second, to compare scenarios at an equal rate (0: no limit)")
	f.IntVar(&o.soak, "soak", 0, fmt.Sprintf("minutes, %d to %d: repeat minute by minute, and fail if memory, goroutines "+
		"or connections grow", leastMinutes, mostMinutes))
	f.IntVar(&o.events, "events", 0, fmt.Sprintf("instead of scenarios: publish so many copies of events at once, at "+
		"most %d, on a mall that is purged afterwards", mostEvents))
	f.IntVar(&o.streams, "streams", 0, fmt.Sprintf("instead of scenarios: open so many streams of orders, at most %d",
		mostStreams))
	f.BoolVar(&o.json, "json", false, "one line of JSON per result")
	f.BoolVar(&o.where, "where", false, "also show the CPU time of each process")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.soak != 0 {
		if o.soak < leastMinutes || o.soak > mostMinutes || o.json || o.where {
			return o, fmt.Errorf("--soak %d: want %d to %d, without --json and --where", o.soak, leastMinutes, mostMinutes)
		}
		*which, *crowd, o.seconds = cmp.Or(*which, "mix"), cmp.Or(*crowd, "64"), mostSeconds
	}
	*which, *crowd = cmp.Or(*which, strings.Join(names, ",")), cmp.Or(*crowd, "1,16,64")
	for _, name := range strings.Split(*which, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return o, fmt.Errorf("there is no scenario %q, only %s", name, strings.Join(names, ", "))
		}
		o.scenarios = append(o.scenarios, scenarios[i])
	}
	for _, n := range strings.Split(*crowd, ",") {
		v, err := strconv.Atoi(n)
		if err != nil || v < 1 || v > mostShoppers {
			return o, fmt.Errorf("--shoppers %q: want 1 to %d", n, mostShoppers)
		}
		o.shoppers = append(o.shoppers, v)
	}
	if o.events < 0 || o.events > mostEvents {
		return o, fmt.Errorf("--events %d: want 1 to %d", o.events, mostEvents)
	}
	if o.streams < 0 || o.streams > mostStreams {
		return o, fmt.Errorf("--streams %d: want 1 to %d", o.streams, mostStreams)
	}
	if o.streams > 0 {
		o.shoppers = []int{(o.streams + streamsOf - 1) / streamsOf}
	}
	if o.soak != 0 && len(o.shoppers) > 1 {
		return o, fmt.Errorf("--shoppers %s: a soak has one number of shoppers", *crowd)
	}
	if o.seconds < 1 || o.seconds > mostSeconds {
		return o, fmt.Errorf("--seconds %d: want 1 to %d", o.seconds, mostSeconds)
	}
	if o.rate < 0 || o.rate > mostRate {
		return o, fmt.Errorf("--rate %d: want 0 to %d", o.rate, mostRate)
	}
	return o, nil
}

// onlyHere refuses a mall elsewhere: this is no tool to shoot at others with.
func onlyHere(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not on loopback: the load test calls only this machine", address)
	}
	return nil
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	m, err := running.Find()
	if err != nil {
		return err
	}
	if err := onlyHere(m.Gateway); err != nil {
		return err
	}
	say := func(format string, args ...any) {
		if !o.json {
			fmt.Printf(format+"\n", args...)
		}
	}
	// Whatever happens, it ends: preparation and draining have bounds of their own.
	cells := len(o.scenarios) * len(o.shoppers)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(cells)*(time.Duration(o.seconds)*time.Second+2*drainFor)+
		15*time.Minute+soakFor(o.soak))
	defer cancel()
	drain, err := audit.NewDrain(m)
	if err != nil {
		return err
	}
	defer drain.Close()
	l := &load{visitor: apiclient.New(m.Gateway), seconds: time.Duration(o.seconds) * time.Second, rate: o.rate,
		pids: filepath.Join(m.Home, "run"), drain: drain}
	say("preparing: limits, %d shoppers, 20 products", slices.Max(o.shoppers))
	restore, err := raise(ctx, m)
	if restore != nil {
		defer func() { err = errors.Join(err, restore()) }()
	}
	if err != nil {
		return err
	}
	defer func() {
		// Also after Ctrl-C.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		n, e := l.tidy(end)
		err = errors.Join(err, e)
		say("cleaned up: %d unpaid orders cancelled, products removed, limits restored", n)
	}()
	if err := l.prepare(ctx, slices.Max(o.shoppers)); err != nil {
		return err
	}
	l.introduce(ctx, say)
	if o.events != 0 {
		return l.events(ctx, m, o.events, say)
	}
	if o.streams != 0 {
		return l.streams(ctx, m, o.streams, say)
	}
	if o.soak != 0 {
		return l.soak(ctx, m, o, say)
	}
	enc := json.NewEncoder(os.Stdout)
	say(head)
	hops := map[int]result{} // by shoppers
	for _, sc := range o.scenarios {
		for _, n := range o.shoppers {
			if err := l.ready(ctx, sc, n); err != nil {
				return fmt.Errorf("prepare %s: %w", sc.name, err)
			}
			r, err := l.run(ctx, sc, n)
			if err != nil {
				return fmt.Errorf("%s with %d shoppers: %w", sc.name, n, err)
			}
			if sc.name == "hop" {
				hops[n] = r
			}
			r.inHops(hops[n])
			if o.json {
				if err := enc.Encode(r); err != nil {
					return err
				}
				continue
			}
			say("%s", r.line())
			if o.where {
				say("      %s", r.where)
			}
		}
	}
	return nil
}

// introduce prints the circumstances of the figures, with what the idle mall uses.
func (l *load) introduce(ctx context.Context, say func(string, ...any)) {
	before, began := used(l.pids), time.Now()
	_ = wait(ctx, 2*time.Second)
	idle, took := used(l.pids).minus(before), time.Since(began).Seconds()
	say("%d cores; the generator runs on this machine too and is part of \"machine\"; nothing is subtracted",
		runtime.NumCPU())
	say("idle: machine %.0f, mall %.0f core-ms a second", idle.machine/took, idle.mall()/took)
}

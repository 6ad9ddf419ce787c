// Command kubetest runs inside a cluster beside a mall, for go run ./deploy/mall kube-test: it shops until it is told
// to stop, audits the books, also for kube-audit, and tries which addresses it can reach.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/audit"
	"daprmall.dev/deploy/internal/running"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kubetest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("kubetest shop [-shoppers N] | audit | reach [-open ADDRESSES] ADDRESS, or several")
	}
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	if args[0] == "reach" {
		open := f.String("open", "", "the addresses that should accept connections, with commas between")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return reach(ctx, strings.Split(*open, ","), f.Args(), reachSteady, reachAtMost, os.Stdout)
	}
	m, err := running.Find()
	if err != nil {
		return err
	}
	switch args[0] {
	case "shop":
		shoppers := f.Int("shoppers", 8, "how many shop at once")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		if err := await(ctx, m.Gateway); err != nil {
			return err
		}
		return shop(ctx, m, os.Getenv("FIRST_ADMIN"), *shoppers)
	case "audit":
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		stores := append(slices.Collect(maps.Values(m.Databases)), "redis://"+m.Redis.Addr)
		if err := await(ctx, stores...); err != nil {
			return err
		}
		r, err := audit.Settled(ctx, m, 2*time.Minute)
		if err != nil {
			return err
		}
		r.Print(os.Stdout)
		if err := audit.Keep(ctx, m, r, time.Now()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		if !r.Balanced {
			return errors.New("the books do not balance")
		}
		return nil
	}
	return fmt.Errorf("there is no %s", args[0])
}

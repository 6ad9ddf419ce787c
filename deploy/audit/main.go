// Command audit reports whether the data of a mall agree: the books C1 to C6 of package audit. It exits 1 on any
// violation. Call it as go run ./deploy/mall audit.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"daprmall.dev/deploy/internal/audit"
	"daprmall.dev/deploy/internal/running"
)

var errViolated = errors.New("the books do not balance")

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, errViolated) {
			fmt.Fprintln(os.Stderr, "audit:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	f := flag.NewFlagSet("audit", flag.ExitOnError)
	settled := f.Bool("settled", false, "wait until nothing is in flight; what still is then counts as a violation")
	wait := f.Duration("wait", time.Minute, "how long --settled waits at most; giving it means --settled")
	asJSON := f.Bool("json", false, "print everything, for programs")
	if err := f.Parse(args); err != nil {
		return err
	}
	f.Visit(func(g *flag.Flag) { *settled = *settled || g.Name == "wait" })
	m, err := running.Find()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var r *audit.Report
	if *settled {
		r, err = audit.Settled(ctx, m, *wait)
	} else {
		r, err = audit.Audit(ctx, m)
	}
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		r.Print(out)
	}
	if err == nil && !r.Balanced {
		err = errViolated
	}
	return err
}

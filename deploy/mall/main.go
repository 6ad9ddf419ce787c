// Command mall runs the whole mall on one machine and looks after it: it builds the
// apps and their sidecar, brings PostgreSQL and Redis, keeps everything running, and
// has the commands to look into it, test it and take it down. commands.go is their index.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		var code exitCode
		if errors.As(err, &code) {
			os.Exit(int(code))
		}
		fmt.Fprintln(os.Stderr, "mall:", err)
		os.Exit(1)
	}
}

// exitCode ends the command after everything has been said.
type exitCode int //nolint:errname // it is a status first, an error for its way up

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func run(args []string) error {
	// `task up -- --detach` and `go run ./deploy/mall up -- --detach` mean the same.
	if len(args) > 1 && args[1] == "--" {
		args = slices.Delete(slices.Clone(args), 1, 2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := commands()
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// socketWithin is how long a component may take until it listens.
const socketWithin = 30 * time.Second

func runCommand() *cobra.Command {
	var file, socket string
	c := &cobra.Command{Use: "run -- program [argument]...", Args: cobra.MinimumNArgs(1),
		Short:   "Become a program, with variables from a file",
		Example: "  run --env-file /mall/order/env -- /app"}
	c.Flags().StringVar(&file, "env-file", "", "variables, one NAME=value in a line")
	c.Flags().StringVar(&socket, "wait-socket", "", "first wait until a process listens at this Unix socket")
	c.RunE = func(c *cobra.Command, program []string) error {
		env, err := variables(file)
		if err != nil {
			return err
		}
		if err := waitSocket(c.Context(), socket); err != nil {
			return err
		}
		// The program takes the place of this one: signals and the exit status are its own.
		if err := syscall.Exec(program[0], program, append(os.Environ(), env...)); err != nil {
			return fmt.Errorf("%s: %w", program[0], err)
		}
		return nil
	}
	return c
}

func variables(file string) ([]string, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(raw)), nil // no value has a space
}

// waitSocket is for a sidecar: one that does not find its component's socket exits.
func waitSocket(ctx context.Context, path string) error {
	if path == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, socketWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no process listens at %s: %w", path, err)
		case <-tick.C:
		}
	}
}

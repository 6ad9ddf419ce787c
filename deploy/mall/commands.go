package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"daprmall.dev/deploy/internal/layout"

	"github.com/spf13/cobra"
)

// commands are all that mall can do. `--help` explains each; `completion bash` (or zsh, fish) is for the shell.
func commands() *cobra.Command {
	root := &cobra.Command{Use: "mall", Short: "Run and manage the whole mall on one machine",
		Long: "Run and manage the whole mall on one machine: go run ./deploy/mall <command>.\n\n" +
			"MALL_HOME (default .mall) and MALL_PORT_BASE (default 8080) let several malls run side by side. " +
			"Commands with a plural name also work in the singular.",
		SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(upCommand("up"), upCommand("supervise"), downCommand(), statusCommand(), logsCommand(),
		command("kill <process>", "Kill a process with SIGKILL, to simulate a crash", cobra.ExactArgs(1), kill),
		command("restart [process]",
			"Rebuild and restart a service without losing a request; or restart a process or the whole mall",
			cobra.MaximumNArgs(1), restart),
		command("watch [process]...", "Build and restart services whenever a source file is saved", cobra.ArbitraryArgs,
			watch),
		command("web", "Show the web shop from its source, with hot reload, on the running mall", cobra.NoArgs, web),
		configCommand(), keysCommand(), secretsCommand(), kubeTestCommand(), kubeAuditCommand(),
		command("first-admin", "Print the one-time secret that makes the first admin", cobra.NoArgs, firstAdmin),
		command("doctor", "Check what is missing on this machine, and how to get it", cobra.NoArgs, doctor),
		importCommand(), imagesCommand(),
		testCommand(),
		passedOn("audit", "Check that orders, stock and payments agree; flags: audit -h"),
		passedOn("events", "Show and repair events; commands: events help"),
		passedOn("load", "Run the load test; flags: load -h"),
		passedOn("seed", "Load the demo data into an empty mall, as the first up does"),
		command("daprd", "Find or build the sidecar and print its path", cobra.NoArgs, sidecarPath))
	for _, c := range root.Commands() {
		if singular, plural := strings.CutSuffix(c.Name(), "s"); plural && c.Name() != "status" {
			c.Aliases = []string{singular}
		}
	}
	return root
}

// command is one without flags. What it takes are names of processes, if anything.
func command(use, short string, args cobra.PositionalArgs, do action) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, ValidArgsFunction: processes, RunE: here(do)}
}

// action is what a command does with the mall of this repository.
type action = func(ctx context.Context, at layout.Layout, args []string) error

// here finds out where the mall lives.
func here(do action) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		at, err := layout.Find()
		if err != nil {
			return err
		}
		return do(c.Context(), at, args)
	}
}

func upCommand(name string) *cobra.Command {
	var o options
	do := up
	c := &cobra.Command{Use: name, Short: "Start all services (or some) and keep them running until Ctrl-C",
		Args: cobra.NoArgs, Example: "  up --detach\n  up --broker kafka\n  up --mtls\n" +
			"  up --only order,product\n  up --replicas order=2,product=2"}
	if name == "supervise" { // what a detached supervisor runs
		do, c.Hidden = superviseDetached, true
	}
	c.RunE = here(func(ctx context.Context, at layout.Layout, _ []string) error { return do(ctx, at, o) })
	o.flags(c.Flags())
	return c
}

func downCommand() *cobra.Command {
	c := &cobra.Command{Use: "down", Short: "Stop everything", Args: cobra.NoArgs}
	purge := c.Flags().Bool("purge", false, "also delete the data")
	c.RunE = here(func(ctx context.Context, at layout.Layout, _ []string) error { return down(ctx, at, *purge) })
	return c
}

func statusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "Show every process: pid, port, state, restarts, memory", Args: cobra.NoArgs}
	asJSON := c.Flags().Bool("json", false, "as JSON")
	c.RunE = here(func(ctx context.Context, at layout.Layout, _ []string) error { return status(ctx, at, *asJSON) })
	return c
}

func logsCommand() *cobra.Command {
	c := &cobra.Command{Use: "logs [process]", Short: "Show the log of a process; without a name, list the logs",
		Args: cobra.MaximumNArgs(1), Example: "  logs order -f", ValidArgsFunction: processes}
	follow := c.Flags().BoolP("follow", "f", false, "follow the log as it grows")
	lines := c.Flags().IntP("lines", "n", 50, "how many lines to show first")
	c.RunE = here(func(ctx context.Context, at layout.Layout, args []string) error {
		if len(args) == 0 {
			return listLogs(at)
		}
		return logs(ctx, at, args[0], *follow, *lines)
	})
	return c
}

func keysCommand() *cobra.Command {
	list := func(ctx context.Context, at layout.Layout, _ []string) error {
		return changeKeys(ctx, at, http.MethodGet, "")
	}
	c := command("keys", "Show and change the keys that sign access tokens", cobra.NoArgs, list)
	c.AddCommand(
		command("list", "Show the keys", cobra.NoArgs, list),
		command("rotate", "Sign with the next key", cobra.NoArgs,
			func(ctx context.Context, at layout.Layout, _ []string) error {
				return changeKeys(ctx, at, http.MethodPost, "/rotate")
			}),
		command("revoke <kid>", "Revoke a key: all its tokens become void", cobra.ExactArgs(1),
			func(ctx context.Context, at layout.Layout, args []string) error {
				return changeKeys(ctx, at, http.MethodPost, "/"+url.PathEscape(args[0])+"/revoke")
			}))
	return c
}

func secretsCommand() *cobra.Command {
	c := &cobra.Command{Use: "secrets", Short: "Change a secret or a database password of the running mall",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(command("rotate idempotency-hmac | refresh-hmac | <service>-db",
		"Replace a secret in all services that use it",
		cobra.ExactArgs(1), func(ctx context.Context, at layout.Layout, args []string) error {
			return rotateSecret(ctx, at, args[0])
		}))
	return c
}

// testCommand takes the flags of go test as they are.
func testCommand() *cobra.Command {
	c := &cobra.Command{DisableFlagParsing: true,
		Use: "test [-short] [-run pattern] [-race=false] [--pgbouncer] [--brokers] [--install] [packages] | " +
			"--shell [command]",
		Short: "Check format, vet and lint, run all tests and the end-to-end tests; with packages, only theirs",
		Long: "Check format, vet and lint, run all tests and the end-to-end tests; with packages, only their tests.\n\n" +
			"  -short       only quick tests, no end-to-end tests\n" +
			"  -run <name>  only tests whose name matches; other flags of go test work, too (-count 1, -v, -skip <name>)\n" +
			"  -race=false  without the race detector, for a quick look\n" +
			"  --shell      a shell (or run the command) in which plain go test finds its servers\n" +
			"  --pgbouncer  through PgBouncer\n" +
			"  --brokers    the end-to-end tests on Redis Streams, Kafka and RocketMQ, one after the other\n" +
			"  --install    allow apt-get to install a missing server, if it cannot be obtained otherwise"}
	c.RunE = func(c *cobra.Command, args []string) error {
		if slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "--help" }) {
			return c.Help()
		}
		return here(test)(c, args)
	}
	return c
}

// passedOn is a program of its own, which gets its arguments as they are.
func passedOn(name, short string) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, DisableFlagParsing: true, RunE: here(tool(name))}
}

// processes completes the name of a process, where one is taken.
func processes(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	at, err := layout.Find()
	if err != nil || len(args) > 0 && c.Name() != "watch" || !strings.Contains(c.Use, "process") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return logNames(at), cobra.ShellCompDirectiveNoFileComp
}

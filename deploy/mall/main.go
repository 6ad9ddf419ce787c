// Command mall runs the whole mall on one machine and looks after it: it builds the
// apps and their sidecar, brings PostgreSQL and Redis, keeps everything running, and
// has the verbs to look into it, test it and take it down. Taskfile.yml is their index.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"daprmall.dev/deploy/internal/place"
)

const usage = `usage: go run ./deploy/mall <verb> [arguments]

  up [--detach] [--only a,b] [--replicas order=2] [--install]   start everything (or some), and keep it running
  down [--purge]                    stop everything; --purge also deletes the data
  status [--json]                   every process: pid, port, state, restarts, memory
  logs <process> [-f] [-n lines]    what a process wrote
  kill <process>                    end it with SIGKILL, as a crash would
  restart [process]                 restart one (an app is built anew), or the whole mall
  config list | get <key> | set <key> <value> | unset <key>   the settings of the mall
  first-admin                       print the one-time secret that makes the first admin
  keys list | rotate | revoke <kid> the keys that sign access tokens
  secrets rotate <name>             change a secret or a database password of the running mall
  doctor                            what is missing, and the cure
  test [-short] [--pgbouncer] [--install] [packages]  format, vet, lint, unit and store tests, end-to-end tests
  audit | events | load [...]       the books, the events, the load test; arguments are passed on
  seed                              load the demo data into an empty mall, as the first up does
  daprd                             find or build the sidecar and print its path

--install (or MALL_INSTALL=1) lets apt-get install system packages, where nothing else brings a server that is missing.
MALL_HOME (default .mall) and MALL_PORT_BASE (default 8080) let several malls run side by side.
`

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
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Print(usage)
		return nil
	}
	verb, args := args[0], args[1:]
	// `task up -- --detach` and `go run ./deploy/mall up -- --detach` mean the same.
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	at, err := place.Find()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	verbs := map[string]func(context.Context, place.Place, []string) error{
		"up": up, "down": down, "status": status, "logs": logs, "kill": kill, "restart": restart,
		"config": config, "first-admin": firstAdmin, "keys": signingKeys, "secrets": rotateSecret, "doctor": doctor, "test": test, "daprd": sidecarPath,
		"audit": tool("audit"), "events": tool("events"), "load": tool("load"), "seed": tool("seed"),
		"supervise": superviseVerb,
	}
	do := verbs[verb]
	if do == nil {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("there is no verb %q", verb)
	}
	err = do(ctx, at, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage)
		return nil
	}
	return err
}

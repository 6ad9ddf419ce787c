// Command setup prepares a mall that runs in containers, and is in each of them: it writes secrets and Dapr's files
// into the mall's volume, makes databases and topics, starts programs with the secrets they need, and asks whether they
// are healthy. Containers without a shell have no other program for that.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := commands()
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

func commands() *cobra.Command {
	root := &cobra.Command{Use: "setup", Short: "Prepare a mall that runs in containers",
		SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(filesCommand(), serversCommand(), firstAdminCommand(),
		runCommand(), healthyCommand(), podCommand(), kubernetesCommand())
	return root
}

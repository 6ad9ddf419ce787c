package operate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Main is the program of a command: it ends with 1 after an error.
func Main(c *cobra.Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	c.SilenceUsage, c.SilenceErrors = true, true
	err := c.ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	if !errors.Is(err, ErrViolated) { // which has been printed in full
		fmt.Fprintf(os.Stderr, "%s: %v\n", c.Name(), err)
	}
	os.Exit(1)
}

package operate

import (
	"context"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/events"
	"daprmall.dev/deploy/internal/running"
)

// EventsCommand shows and repairs the events of the mall that find finds.
func EventsCommand(find func(context.Context) (running.Mall, error)) *cobra.Command {
	return &cobra.Command{Use: "events", Short: "Show and repair events; commands: events help", Long: events.Usage,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help") {
				_, err := c.OutOrStdout().Write([]byte(events.Usage))
				return err
			}
			m, err := find(c.Context())
			if err != nil {
				return err
			}
			return events.Run(c.Context(), m, args, c.OutOrStdout())
		}}
}

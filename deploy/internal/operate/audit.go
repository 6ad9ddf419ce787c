package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/audit"
	"daprmall.dev/deploy/internal/running"
)

// ErrViolated is the error of an audit that has printed what does not agree.
var ErrViolated = errors.New("the books do not balance")

// AuditCommand reports whether the data of the mall that find finds agree.
func AuditCommand(find func(context.Context) (running.Mall, error)) *cobra.Command {
	var settled, asJSON bool
	var wait time.Duration
	c := &cobra.Command{Use: "audit", Short: "Check that orders, stock and payments agree", Args: cobra.NoArgs}
	f := c.Flags()
	f.BoolVar(&settled, "settled", false,
		"wait until nothing is in flight; what still is then counts as a violation")
	f.DurationVar(&wait, "wait", time.Minute, "how long --settled waits at most; giving it means --settled")
	f.BoolVar(&asJSON, "json", false, "print everything, for programs")
	c.RunE = func(c *cobra.Command, _ []string) error {
		m, err := find(c.Context())
		if err != nil {
			return err
		}
		check := audit.Audit
		if settled || f.Changed("wait") {
			check = func(ctx context.Context, m running.Mall) (*audit.Report, error) { return audit.Settled(ctx, m, wait) }
		}
		r, err := check(c.Context(), m)
		if err != nil {
			return err
		}
		if err := printReport(c.OutOrStdout(), r, asJSON); err != nil {
			return err
		}
		if err := audit.Keep(c.Context(), m, r, time.Now()); err != nil {
			fmt.Fprintln(c.ErrOrStderr(), err) // an audit must not depend on it
		}
		if !r.Balanced {
			return ErrViolated
		}
		return nil
	}
	return c
}

func printReport(out io.Writer, r *audit.Report, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	r.Print(out)
	return nil
}

package main

import (
	"fmt"

	"daprmall.dev/services/kit/config"
)

// declare says which provider new attempts use; it may change while payment runs, attempts keep the one they began with.
// It is never replaced by a default once it was chosen.
func declare(l *config.Live, known map[string]bool) (provider func() string) {
	return l.String("payment.provider", "sandbox", func(s string) error {
		if !known[s] {
			return fmt.Errorf("no payment provider %q is set up", s)
		}
		return nil
	}, config.Chosen)
}

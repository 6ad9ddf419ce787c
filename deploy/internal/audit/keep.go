package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts/userv1"
)

// Keep writes the verdict of a report, without its findings, where the mall shows it to admins.
func Keep(ctx context.Context, m running.Mall, r *Report, at time.Time) error {
	v := userv1.Verdict{At: at.UTC().Truncate(time.Second), Balanced: r.Balanced, Books: []userv1.Book{}}
	for _, b := range r.Books {
		v.Books = append(v.Books, userv1.Book{ID: b.ID, Title: b.Title, Verdict: b.Verdict,
			Findings: len(b.Findings)})
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c := openRedis(m)
	defer c.Close() //nolint:errcheck // the command has been answered
	if err := c.Set(ctx, userv1.KeyVerdict, raw, 0).Err(); err != nil {
		return fmt.Errorf("keep the verdict: %w", err)
	}
	return nil
}

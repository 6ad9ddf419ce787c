package store

import (
	"context"
	"fmt"
	"time"

	"daprmall.dev/services/kit/postgres"
)

// purgeBatch is how many refresh tokens one statement removes.
const purgeBatch = 5000

var oldRevocations = postgres.Purge{Table: "revocations", Column: "expires_at"}

// purgeTokens removes the oldest tokens that expired a day ago, and each session that has none left: such a session
// can do nothing any more. The snapshot of the statement still contains the tokens that it removes, hence the
// comparison of their age.
//
//nolint:gosec // a statement, no secret
const purgeTokens = `WITH gone AS (
		DELETE FROM refresh_tokens WHERE hash = ANY(ARRAY(SELECT hash FROM refresh_tokens
		WHERE expires_at < now() - make_interval(secs => ?)
			ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED)) RETURNING session_id),
	ended AS (
		DELETE FROM sessions s USING (SELECT DISTINCT session_id FROM gone) g WHERE s.id = g.session_id
			AND NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.session_id = s.id
			AND t.expires_at >= now() - make_interval(secs => ?)))
	SELECT count(*) FROM gone`

// Purge removes, in batches, what can have no effect any more.
func (s *Store) Purge(ctx context.Context) error {
	if err := oldRevocations.Run(ctx, s.db); err != nil {
		return err
	}
	day := (24 * time.Hour).Seconds()
	for {
		var gone int64
		if err := s.db.WithContext(ctx).Raw(purgeTokens, day, purgeBatch, day).Scan(&gone).Error; err != nil {
			return fmt.Errorf("forget sessions: %w", err)
		}
		if gone < purgeBatch {
			return nil
		}
	}
}

package store

import (
	"context"
	"fmt"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
)

var _ catalog.UploadStore = (*Store)(nil)

// Uploads implements catalog.UploadStore.
func (s *Store) Uploads(ctx context.Context, by string, since time.Time) (n int64, err error) {
	err = postgres.DB(ctx, s.db).Raw("SELECT count(*) FROM uploads WHERE user_id = ?::bigint AND uploaded_at > ?", by,
		since).Scan(&n).Error
	if err != nil {
		return 0, fmt.Errorf("count uploads: %w", err)
	}
	return n, nil
}

// Record implements catalog.UploadStore.
func (s *Store) Record(ctx context.Context, u catalog.Upload) error {
	err := postgres.DB(ctx, s.db).Exec(`INSERT INTO uploads (name, user_id, bytes, uploaded_at)
		VALUES (?, ?::bigint, ?, ?) ON CONFLICT (name) DO NOTHING`, u.Name, u.By, u.Bytes, u.At).Error
	if err != nil {
		return fmt.Errorf("record upload: %w", err)
	}
	return nil
}

package inbox

import (
	"context"
	"fmt"

	"daprmall.dev/services/kit/inbox/parked"
)

// Parked returns at most limit parked events after a cursor, the oldest first.
func (in *Inbox) Parked(ctx context.Context, after parked.Cursor, limit int) ([]parked.Event, error) {
	pool, err := in.db.DB()
	if err != nil {
		return nil, err
	}
	found, err := parked.List(ctx, pool, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list parked events: %w", err)
	}
	return found, nil
}

// RetryParked makes a parked event due now. It returns the errors of parked.Retry.
func (in *Inbox) RetryParked(ctx context.Context, id string) error {
	pool, err := in.db.DB()
	if err != nil {
		return err
	}
	if err := parked.Retry(ctx, pool, id); err != nil {
		return fmt.Errorf("retry a parked event: %w", err)
	}
	return nil
}

// DropParked gives a parked event up. It returns the errors of parked.Drop.
func (in *Inbox) DropParked(ctx context.Context, id, reason string) error {
	pool, err := in.db.DB()
	if err != nil {
		return err
	}
	if err := parked.Drop(ctx, pool, id, reason); err != nil {
		return fmt.Errorf("drop a parked event: %w", err)
	}
	return nil
}

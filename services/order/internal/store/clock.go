package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"
)

// rereadEvery is how long the database's time is extrapolated with this machine's monotonic clock: the drift stays far
// below a millisecond.
const rereadEvery = 10 * time.Second

// clock returns the database's time without a query per order: deadlines are set by the clock that enforces them.
type clock struct {
	mu           sync.Mutex
	databaseTime time.Time
	readAt       time.Time
}

func (c *clock) now(ctx context.Context, db *gorm.DB) (time.Time, error) {
	c.mu.Lock()
	database, here := c.databaseTime, c.readAt
	c.mu.Unlock()
	if here.IsZero() || time.Since(here) > rereadEvery {
		if err := db.WithContext(ctx).Raw("SELECT clock_timestamp()").Scan(&database).Error; err != nil {
			return database, fmt.Errorf("read the database's clock: %w", err)
		}
		here = time.Now()
		c.mu.Lock()
		c.databaseTime, c.readAt = database, here
		c.mu.Unlock()
	}
	// Rounded to the database's precision, so that an answer shows what a later read will.
	return database.Add(time.Since(here)).UTC().Truncate(time.Microsecond), nil
}

package clients

import (
	"context"
	"time"
)

// FeedReader returns when a producer's feed was last read to its end; inbox.Inbox implements it.
type FeedReader interface {
	ReadAt(ctx context.Context, source string) (time.Time, error)
}

// Feed implements inventory.Feed by the inbox.
type Feed struct{ in FeedReader }

// NewFeed makes a feed.
func NewFeed(in FeedReader) Feed { return Feed{in} }

// ReadAt implements inventory.Feed.
func (f Feed) ReadAt(ctx context.Context) (time.Time, error) { return f.in.ReadAt(ctx, "order") }

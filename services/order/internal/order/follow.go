package order

import (
	"context"

	"daprmall.dev/services/kit/problem"
)

// Change is an entry of an order's history with its position in it.
type Change struct {
	OrderID  ID
	Position int
	HistoryEntry
}

// Changes are entries of the histories of all orders.
type Changes struct {
	Items []Change // by order and position; the first entries of orders are not among them
	Next  string   // the cursor of the next call
	Lost  bool     // the cursor is not of this database, or too much has changed since: read the histories again
}

// maxChanges bounds one answer to about a megabyte.
const maxChanges = 8000

// History returns the history of the user's own order, and the cursor from which on Changes has what follows. The
// cursor is read first: an entry that is committed between the two reads is in both.
func (s *Service) History(ctx context.Context, id ID, userID string) ([]HistoryEntry, string, error) {
	cursor, err := s.store.Cursor(ctx)
	if err != nil {
		return nil, "", err
	}
	o, err := s.store.Find(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if o.state.UserID != userID {
		return nil, "", problem.NewNotFound("order")
	}
	return o.state.History, cursor, nil
}

// Changes returns what has changed in all orders since the answer that gave the cursor after. Some entries may come
// again.
func (s *Service) Changes(ctx context.Context, after string) (Changes, error) {
	return s.store.Changes(ctx, after, maxChanges)
}

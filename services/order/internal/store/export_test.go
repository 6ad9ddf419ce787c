package store

import (
	"context"
	"math"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/order/internal/order"
)

// PlaceTogether places orders as one batch, and returns what became of each: placed, fenced, taken or alone.
func (s *Store) PlaceTogether(ctx context.Context, drafts ...order.Draft) []string {
	all := make([]newOrder, len(drafts))
	for i, d := range drafts {
		o, events, err := order.Place(d, time.Now(), time.Now().Add(time.Minute))
		if err != nil {
			panic(err)
		}
		snap := o.Snapshot()
		all[i] = newOrder{ctx: ctx, snap: snap, events: toEvents(snap, events), most: d.MaxOpen}
	}
	out := make([]string, len(all))
	for i, r := range s.placeTogether(all) {
		switch {
		case r.Err != nil:
			out[i] = r.Err.Error()
		case r.Value.alone:
			out[i] = "alone"
		case r.Value.Fenced:
			out[i] = "fenced"
		case r.Value.Claimed:
			out[i] = "placed"
		default:
			out[i] = "taken"
		}
	}
	return out
}

// MoveAll archives all finished orders in a transaction that it leaves open.
func MoveAll(tx *gorm.DB) error {
	_, err := orderArchive.MoveBatch(tx, math.MaxInt64)
	return err
}

// CountOpen is the part of a statement that counts shoppers' unpaid orders.
const CountOpen = countOpen

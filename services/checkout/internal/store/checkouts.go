package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
)

// Checkouts is checkout.Records on PostgreSQL.
type Checkouts struct{ db *gorm.DB }

// NewCheckouts makes a store.
func NewCheckouts(db *gorm.DB) *Checkouts { return &Checkouts{db} }

var begin = `WITH k AS (` + idempotency.ClaimPart("true") + `)
	INSERT INTO checkouts (order_id, user_id, key, items, from_cart, expected_total, address)
	SELECT effect_id, user_id, key, ?::jsonb, ?, ?::bigint, ?::jsonb FROM k`

// Begin implements checkout.Records.
func (s *Checkouts) Begin(ctx context.Context, run keyed.Run, r checkout.Record) (bool, error) {
	items, err := json.Marshal(r.Items)
	if err != nil {
		return false, err
	}
	address, err := json.Marshal(r.PostalAddress)
	if err != nil {
		return false, err
	}
	args := append(idempotency.ClaimArgs(run), string(items), r.FromCart, r.ExpectedTotal, string(address))
	begun := false
	err = postgres.RetryIdempotent(ctx, s.db, func(db *gorm.DB) error {
		res := db.Exec(begin, args...)
		begun = res.RowsAffected == 1
		return res.Error
	})
	if err != nil {
		return false, fmt.Errorf("begin checkout %s: %w", run.EffectID, err)
	}
	return begun, nil
}

// adopt keeps the record of a checkout that an older version has begun, which had it as JSON with the key (ADR 33).
const adopt = `INSERT INTO checkouts (order_id, user_id, key, items, from_cart, expected_total, address)
	SELECT ?::bigint, ?::bigint, ?, r->'items', (r->>'from_cart')::boolean, (r->>'expected_total')::bigint, r->'place'
	FROM (SELECT ?::jsonb AS r) AS old WHERE r->'items' IS NOT NULL`

// Find implements checkout.Records.
func (s *Checkouts) Find(ctx context.Context, run keyed.Run) (checkout.Record, error) {
	const query = "SELECT items, from_cart, expected_total, address FROM checkouts WHERE order_id = ?"
	var r struct {
		Items, Address string
		FromCart       bool
		ExpectedTotal  *int64
	}
	db := postgres.DB(ctx, s.db)
	res := db.Raw(query, run.EffectID).Scan(&r)
	if res.Error == nil && res.RowsAffected == 0 && run.Record != nil {
		if res = db.Exec(adopt, run.EffectID, run.User, run.Key, string(run.Record)); res.Error == nil {
			res = db.Raw(query, run.EffectID).Scan(&r)
		}
	}
	switch {
	case res.Error != nil:
		return checkout.Record{}, fmt.Errorf("read checkout %s: %w", run.EffectID, res.Error)
	case res.RowsAffected == 0:
		return checkout.Record{}, problem.NewNotFound("checkout")
	}
	rec := checkout.Record{OrderID: run.EffectID, UserID: run.User, FromCart: r.FromCart, ExpectedTotal: r.ExpectedTotal}
	if err := json.Unmarshal([]byte(r.Items), &rec.Items); err != nil {
		return rec, fmt.Errorf("read the items of checkout %s: %w", run.EffectID, err)
	}
	if err := json.Unmarshal([]byte(r.Address), &rec.PostalAddress); err != nil {
		return rec, fmt.Errorf("read the address of checkout %s: %w", run.EffectID, err)
	}
	return rec, nil
}

var end = `WITH k AS (` + idempotency.FinishPart("true") + ` RETURNING effect_id)
	UPDATE checkouts SET state = ?, refusal = ?, updated_at = now() FROM k WHERE order_id = effect_id`

// End implements checkout.Records.
func (s *Checkouts) End(ctx context.Context, run keyed.Run, a keyed.Answer) error {
	state, refusal := "placed", ""
	if a.Refusal != nil {
		state, refusal = "refused", problem.CodeOf(a.Refusal)
	}
	args := append(idempotency.FinishArgs(run, a), state, refusal)
	err := postgres.RetryIdempotent(ctx, s.db, func(db *gorm.DB) error { return db.Exec(end, args...).Error })
	if err != nil {
		return fmt.Errorf("end checkout %s: %w", run.EffectID, err)
	}
	return nil
}

// EraseAddresses implements checkout.Records.
func (s *Checkouts) EraseAddresses(ctx context.Context, userID string) error {
	return postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		if err := archive.KeepInPlace(tx); err != nil {
			return err
		}
		err := tx.Exec("UPDATE all_checkouts SET address = '{}' WHERE user_id = ? AND address <> '{}'", userID).Error
		if err != nil {
			return fmt.Errorf("erase addresses of checkouts: %w", err)
		}
		return nil
	})
}

// oldCheckouts are those whose keys were purged long ago: no run can go on with them.
var oldCheckouts = archive.Archive{
	Finished: "SELECT order_id FROM checkouts WHERE order_id < ? ORDER BY order_id LIMIT ?",
	Tables:   []archive.Table{{Name: "checkouts", Where: "order_id = ANY(?::bigint[])"}},
}

// Archive moves checkouts older than age out of the live table.
func (s *Checkouts) Archive(ctx context.Context, age time.Duration) error {
	return oldCheckouts.Run(ctx, s.db, age)
}

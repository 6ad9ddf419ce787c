package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/contracts/cartv1"
	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
)

// Checkouts is checkout.Records on PostgreSQL.
type Checkouts struct{ db *gorm.DB }

// NewCheckouts makes a store.
func NewCheckouts(db *gorm.DB) *Checkouts { return &Checkouts{db} }

const columns = "order_id, user_id, key, items, from_cart, expected_total, address"

// begin is of a checkout that names its items.
var begin = `WITH k AS (` + idempotency.ClaimPart("true") + `)
	INSERT INTO checkouts (` + columns + `)
	SELECT effect_id, user_id, key, ?::jsonb, false, ?::bigint, ?::jsonb FROM k`

// stillInCart are placed checkouts of a user's cart that the cart did not know when it was read.
const stillInCart = `from_cart AND state = 'placed' AND user_id = ?::bigint AND order_id >= ?::bigint
	AND order_id <> ALL(?::bigint[])`

// beginOfCart is of a checkout of a cart, which one checkout takes at a time: the unique index on takes_cart refuses a
// second one. It also ends the one before, if the cart was read without what that has bought.
var beginOfCart = `WITH ended AS (
		UPDATE checkouts SET takes_cart = false WHERE takes_cart AND user_id = ?::bigint AND (state = 'refused'
			OR state = 'placed' AND (order_id < ?::bigint OR order_id = ANY(?::bigint[]))) RETURNING order_id
	), k AS (` + idempotency.ClaimPart(`(SELECT count(*) FROM ended) >= 0
		AND NOT EXISTS (SELECT 1 FROM checkouts WHERE `+stillInCart+`)`) + `)
	INSERT INTO checkouts (` + columns + `, takes_cart)
	SELECT effect_id, user_id, key, ?::jsonb, true, ?::bigint, ?::jsonb, true FROM k`

// sureAfter is the age of an order at which its event has surely reached the cart, if ever. The cart tells its effects
// for longer.
const sureAfter = cartv1.AppliedFor - 5*time.Minute

// Begin implements checkout.Records.
func (s *Checkouts) Begin(ctx context.Context, run keyed.Run, r checkout.Record, applied []string) (bool, error) {
	items, err := json.Marshal(r.Items)
	if err != nil {
		return false, err
	}
	address, err := json.Marshal(r.PostalAddress)
	if err != nil {
		return false, err
	}
	statement, args := begin, idempotency.ClaimArgs(run)
	if r.FromCart {
		since, known := ids.FirstAt(time.Now().Add(-sureAfter)), postgres.Array(applied)
		statement = beginOfCart
		args = slices.Concat([]any{run.User, since, known}, args, []any{run.User, since, known})
	}
	args = append(args, string(items), r.ExpectedTotal, string(address))
	begun, err := postgres.Exec(ctx, s.db, statement, args...)
	if postgres.IsUnique(err, "checkouts_taking_a_cart") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("begin checkout %s: %w", run.EffectID, err)
	}
	return begun == 1, nil
}

// CartTaker implements checkout.Records.
func (s *Checkouts) CartTaker(ctx context.Context, userID string, applied []string) (*checkout.CartTaker, error) {
	var r struct {
		OrderID, Key, Items string
		Placed              bool
		Seconds             float64
	}
	res := postgres.DB(ctx, s.db).Raw(`SELECT order_id, key, items, state = 'placed' AS placed,
			extract(epoch FROM now() - created_at) AS seconds FROM checkouts
		WHERE user_id = ?::bigint AND takes_cart AND state = 'begun' OR `+stillInCart+`
		ORDER BY order_id LIMIT 1`, userID, userID, ids.FirstAt(time.Now().Add(-sureAfter)), postgres.Array(applied)).Scan(&r)
	if res.Error != nil {
		return nil, fmt.Errorf("find the checkout that has taken the cart: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil, nil
	}
	t := &checkout.CartTaker{OrderID: r.OrderID, Key: r.Key, Placed: r.Placed,
		Age: time.Duration(r.Seconds * float64(time.Second))}
	if err := json.Unmarshal([]byte(r.Items), &t.Items); err != nil {
		return nil, fmt.Errorf("read the items of checkout %s: %w", r.OrderID, err)
	}
	return t, nil
}

// EndTaker implements checkout.Records.
func (s *Checkouts) EndTaker(ctx context.Context, orderID string, placed bool) error {
	state, refusal := "placed", ""
	if !placed {
		state, refusal = "refused", checkout.CodeExpired
	}
	err := postgres.DB(ctx, s.db).Exec(`UPDATE checkouts SET takes_cart = false, updated_at = now(),
			refusal = CASE WHEN state = 'begun' THEN ? ELSE refusal END, state = CASE WHEN state = 'begun' THEN ? ELSE state END
		WHERE order_id = ?`, refusal, state, orderID).Error
	if err != nil {
		return fmt.Errorf("end checkout %s: %w", orderID, err)
	}
	return nil
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
	UPDATE checkouts SET state = ?, refusal = ?, takes_cart = takes_cart AND ?, updated_at = now() FROM k
	WHERE order_id = effect_id`

// End implements checkout.Records.
func (s *Checkouts) End(ctx context.Context, run keyed.Run, a keyed.Answer) error {
	state, refusal := "placed", ""
	if a.Refusal != nil {
		state, refusal = "refused", problem.CodeOf(a.Refusal)
	}
	args := append(idempotency.FinishArgs(run, a), state, refusal, a.Refusal == nil)
	if _, err := postgres.Exec(ctx, s.db, end, args...); err != nil {
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

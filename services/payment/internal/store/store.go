// Package store keeps bills, attempts and refunds in PostgreSQL. An outcome, its bill and its event commit together.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the tables of payments.
var Migrations = postgres.Migrations{Name: "payment", FS: files}

// Store implements payment.Store with PostgreSQL.
type Store struct {
	db          *gorm.DB
	out         *outbox.Outbox
	billWaiters *billWaiters
}

// New makes a store.
func New(db *gorm.DB, out *outbox.Outbox) *Store {
	return &Store{db: db, out: out, billWaiters: &billWaiters{db: db}}
}

// Start implements payment.Store. A new attempt takes two statements; a unique index makes sure that at most one is
// under way.
func (s *Store) Start(ctx context.Context, p payment.Payment,
	decide func(b payment.Bill, now time.Time, live bool) error) (kept *payment.Payment, found bool, err error) {
	err = postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		if err := billArchive.Unarchive(tx, p.OrderID); err != nil {
			return err
		}
		var b struct {
			Bill billRow `gorm:"embedded"`
			Now  time.Time
		}
		// A statement's select list is evaluated before it waits for locks: an outer query reads the clock once it has the
		// bill.
		res := tx.Raw(`WITH b AS MATERIALIZED (SELECT * FROM bills WHERE order_id = ? FOR UPDATE)
			SELECT b.*, clock_timestamp() AS now FROM b`, p.OrderID).Scan(&b)
		if res.Error != nil {
			return fmt.Errorf("lock bill of order %s: %w", p.OrderID, res.Error)
		}
		if res.RowsAffected == 0 {
			return payment.ErrNoBill
		}
		p.Amount, p.Currency = b.Bill.Amount, b.Bill.Currency
		kept, found = &p, false
		refused := decide(payment.Bill(b.Bill), b.Now, false)
		if refused == nil {
			r, err := toPaymentRow(p)
			if err != nil {
				return err
			}
			res := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&r)
			if res.Error != nil {
				return fmt.Errorf("keep payment: %w", res.Error)
			}
			if res.RowsAffected == 1 {
				return nil
			}
		}
		known, err := find(tx, p.ID)
		switch {
		case problem.KindOf(err) == problem.NotFound && refused == nil: // another attempt is under way
			return decide(payment.Bill(b.Bill), b.Now, true)
		case problem.KindOf(err) == problem.NotFound:
			return refused
		case err != nil:
			return err
		case !known.Restartable():
			kept, found = known, true
			return nil
		case refused != nil:
			return refused
		}
		return restart(tx, p, func(live bool) error { return decide(payment.Bill(b.Bill), b.Now, live) })
	})
	if err != nil {
		return nil, false, err
	}
	return kept, found, nil
}

// restart begins an attempt again that ended before the provider knew of it. The settler leaves it alone as long as a
// new one.
func restart(tx *gorm.DB, p payment.Payment, decide func(live bool) error) error {
	var live bool
	err := tx.Raw("SELECT EXISTS (SELECT 1 FROM payments WHERE order_id = ? AND status = 'processing')",
		p.OrderID).Scan(&live).Error
	if err != nil {
		return err
	}
	if err := decide(live); err != nil {
		return err
	}
	r, err := toPaymentRow(p)
	if err != nil {
		return err
	}
	if err := tx.Save(&r).Error; err != nil {
		return fmt.Errorf("restart payment %s: %w", p.ID, err)
	}
	return tx.Exec("UPDATE payments SET look_at = DEFAULT WHERE id = ?", p.ID).Error
}

// underWay is the condition status = 'processing', written differently for statements that name one attempt: with that
// condition PostgreSQL may scan the index of all attempts under way instead of using the primary key.
const underWay = "status NOT IN ('succeeded', 'failed', 'cancelled', 'refunded')"

// Opened implements payment.Store.
func (s *Store) Opened(ctx context.Context, id, providerID string) (bool, error) {
	kept, err := postgres.Exec(ctx, s.db, "UPDATE payments SET provider_id = ? WHERE id = ? AND "+underWay+
		" AND provider_id IN ('', ?)", providerID, id, providerID)
	if err != nil {
		return false, fmt.Errorf("keep provider id of payment %s: %w", id, err)
	}
	return kept == 1, nil
}

// Abandon implements payment.Store.
func (s *Store) Abandon(ctx context.Context, id, why string) (*payment.Payment, error) {
	err := s.db.WithContext(ctx).
		Exec(`UPDATE payments SET status = 'cancelled', failure_code = ?, updated_at = clock_timestamp()
		WHERE id = ? AND `+underWay+` AND provider_id = ''`, why, id).Error
	if err != nil {
		return nil, fmt.Errorf("abandon payment %s: %w", id, err)
	}
	return s.Find(ctx, id)
}

// Find implements payment.Store.
func (s *Store) Find(ctx context.Context, id string) (*payment.Payment, error) {
	return find(postgres.DB(ctx, s.db), id)
}

func find(q *gorm.DB, id string) (*payment.Payment, error) {
	var r paymentRow
	err := q.Table("all_payments").Where("id = ?", id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, problem.NewNotFound("payment")
	}
	if err != nil {
		return nil, fmt.Errorf("read payment %s: %w", id, err)
	}
	return r.payment()
}

// settleSuccess writes the success of an attempt. A bill that was closed meanwhile stays closed: order will request a
// refund.
const settleSuccess = `WITH p AS (
		UPDATE payments SET status = ?, failure_code = ?, card_brand = ?, card_last4 = ?, next_action = NULL, updated_at = ?
		WHERE id = ?
	), b AS (
		UPDATE bills SET status = CASE status WHEN 'open' THEN 'paid' ELSE status END, version = ?, updated_at = now()
		WHERE order_id = ?
	)
	` + outbox.Insert

// Settle implements payment.Store. The bill is locked before the attempt, as in Start.
func (s *Store) Settle(ctx context.Context, id string, o payment.Outcome) (*payment.Payment, error) {
	var p *payment.Payment
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		var l struct {
			Attempt     paymentRow `gorm:"embedded"`
			BillVersion int64
			Now         time.Time
		}
		res := tx.Raw(`SELECT p.*, b.version AS bill_version, clock_timestamp() AS now FROM bills b JOIN payments p
			ON p.order_id = b.order_id
			WHERE p.id = ? FOR UPDATE`, id).Scan(&l)
		if res.Error != nil {
			return fmt.Errorf("lock payment %s: %w", id, res.Error)
		}
		if res.RowsAffected == 0 {
			return problem.NewNotFound("payment")
		}
		var err error
		if p, err = l.Attempt.payment(); err != nil || !p.Settle(o, l.Now.UTC()) {
			return err
		}
		if p.Status != payment.Succeeded {
			status, action, err := statusColumns(*p)
			if err != nil {
				return err
			}
			s.out.LogChange(ctx, "payment."+string(p.Status), p.OrderID, "payment", p.ID, "failure", p.FailureCode)
			return tx.Exec("UPDATE payments SET status = ?, failure_code = ?, card_brand = ?, card_last4 = ?, next_action = "+
				"?::jsonb, updated_at = ? WHERE id = ?",
				status, p.FailureCode, p.Card.Brand, p.Card.Last4, action, p.UpdatedAt, id).Error
		}
		version := l.BillVersion + 1
		event := succeededEvent(*p, version)
		rows, err := s.out.Rows(ctx, event)
		if err != nil {
			return err
		}
		if err := tx.Exec(settleSuccess, p.Status, p.FailureCode, p.Card.Brand, p.Card.Last4, p.UpdatedAt, id, version,
			p.OrderID,
			rows).Error; err != nil {
			return fmt.Errorf("settle payment %s: %w", id, err)
		}
		s.out.Notify(ctx, event)
		return nil
	})
	return p, err
}

// ScheduleCheck implements payment.Store. The longer an attempt takes, the less often it is checked. For one that waits
// for its shopper a notice usually comes first; it is also checked when the time to pay ends.
func (s *Store) ScheduleCheck(ctx context.Context, id string) error {
	return s.db.WithContext(ctx).Exec(`UPDATE payments SET look_at = CASE WHEN next_action IS NULL
			THEN now() + greatest(interval '500 milliseconds', least(interval '10 seconds', (now() - created_at) / 2))
			ELSE least(now() + greatest(interval '2 seconds', least(interval '1 minute', (now() - created_at) / 4)),
				greatest(now() + interval '500 milliseconds', (SELECT due_at FROM bills b
				WHERE b.order_id = payments.order_id))) END
		WHERE id = ? AND `+underWay, id).Error
}

const nextUnsettled = `UPDATE payments p SET look_at = now() + interval '10 seconds' FROM bills b
	WHERE b.order_id = p.order_id AND p.id = (SELECT id FROM payments WHERE status = 'processing' AND look_at <= now()
	AND provider = ANY(?::text[])
		ORDER BY look_at LIMIT 1 FOR UPDATE SKIP LOCKED)
	RETURNING p.*, b.status = 'open' AND (p.next_action IS NULL OR b.due_at > now()) AS bill_open`

// NextUnsettled implements payment.Store. A claim lasts ten seconds, so that replicas check different attempts and a
// provider that is down is not asked in a loop.
func (s *Store) NextUnsettled(ctx context.Context, providers []string) (*payment.Payment, bool, error) {
	var r struct {
		Attempt  paymentRow `gorm:"embedded"`
		BillOpen bool
	}
	res := s.db.WithContext(ctx).Raw(nextUnsettled, postgres.Array(providers)).Scan(&r)
	if res.Error != nil || res.RowsAffected == 0 {
		return nil, false, res.Error
	}
	p, err := r.Attempt.payment()
	return p, r.BillOpen, err
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
)

// billRow is the row of a bill; its JSON has the columns' names.
type billRow struct {
	OrderID  string             `gorm:"primaryKey" json:"order_id"`
	UserID   string             `json:"user_id"`
	Amount   int64              `json:"amount"`
	Currency string             `json:"currency"`
	DueAt    time.Time          `json:"due_at"`
	Status   payment.BillStatus `json:"status"`
	Version  int64              `json:"version"`
}

func (billRow) TableName() string { return "bills" }

// OpenBills implements payment.Store. It inserts in the order of order ids, so that two replicas with the same orders
// do not deadlock.
func (s *Store) OpenBills(ctx context.Context, opened ...payment.Bill) error {
	rows, orderIDs := make([]billRow, len(opened)), make([]string, len(opened))
	free := map[string]payment.Bill{}
	for i, b := range opened {
		b.Status = payment.Open
		if b.IsFree() {
			b.Status, b.Version = payment.Paid, b.Version+1
			free[b.OrderID] = b
		}
		rows[i], orderIDs[i] = billRow(b), b.OrderID
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	err = billArchive.WithLive(ctx, s.db, orderIDs, func(ctx context.Context) error {
		if len(free) == 0 {
			return postgres.DB(ctx, s.db).Exec(insertBills, string(text)).Error
		}
		return postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
			return s.insertWithFree(ctx, tx, string(text), free)
		})
	})
	if err != nil {
		return fmt.Errorf("open bills: %w", err)
	}
	postgres.AfterCommit(ctx, s.db, func() { s.billWaiters.wake(orderIDs...) })
	return nil
}

const insertBills = `INSERT INTO bills (order_id, user_id, amount, currency, due_at, status, version)
	SELECT order_id, user_id, amount, currency, due_at, status, version
	FROM jsonb_populate_recordset(NULL::bills, ?::jsonb)
	ORDER BY order_id ON CONFLICT (order_id) DO NOTHING`

// insertWithFree inserts bills of which some are free, and settles these unless they were there already.
func (s *Store) insertWithFree(ctx context.Context, tx *gorm.DB, text string, free map[string]payment.Bill) error {
	var inserted []struct {
		OrderID string
		Now     time.Time
	}
	err := tx.Raw(insertBills+" RETURNING order_id, clock_timestamp() AS now", text).Scan(&inserted).Error
	if err != nil {
		return err
	}
	var settled []payment.Bill
	for _, r := range inserted {
		if b, ok := free[r.OrderID]; ok {
			settled = append(settled, b)
		}
	}
	if len(settled) == 0 {
		return nil
	}
	return s.settleFree(ctx, tx, settled, inserted[0].Now.UTC())
}

// FindBill implements payment.Store.
func (s *Store) FindBill(ctx context.Context, orderID string) (payment.Bill, error) {
	var r billRow
	err := postgres.DB(ctx, s.db).Table("all_bills").Where("order_id = ?", orderID).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return payment.Bill{}, payment.ErrNoBill
	}
	if err != nil {
		return payment.Bill{}, fmt.Errorf("read bill of order %s: %w", orderID, err)
	}
	return payment.Bill(r), nil
}

// AwaitBill implements payment.Store.
func (s *Store) AwaitBill(orderID string) (there <-chan struct{}, done func()) {
	return s.billWaiters.add(orderID)
}

// CloseBill implements payment.Store. It makes the attempts under way due to be checked: the settler cancels them.
func (s *Store) CloseBill(ctx context.Context, b payment.Bill) error {
	return postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		if err := billArchive.Unarchive(tx, b.OrderID); err != nil {
			return err
		}
		err := tx.Exec(`INSERT INTO bills AS b (order_id, user_id, amount, currency, due_at, status, version)
			VALUES (?, ?, ?, ?, ?, 'closed', ?)
			ON CONFLICT (order_id) DO UPDATE SET status = 'closed', version = excluded.version, updated_at = now()
			WHERE b.status = 'open'`,
			b.OrderID, b.UserID, b.Amount, b.Currency, b.DueAt, b.Version).Error
		if err != nil {
			return fmt.Errorf("close bill of order %s: %w", b.OrderID, err)
		}
		return tx.Exec("UPDATE payments SET look_at = now() WHERE order_id = ? AND status = 'processing'", b.OrderID).Error
	})
}

func lockBill(tx *gorm.DB, orderID string) (*payment.Bill, error) {
	if err := billArchive.Unarchive(tx, orderID); err != nil {
		return nil, err
	}
	var r billRow
	err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("order_id = ?", orderID).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, problem.NewNotFound("order")
	}
	if err != nil {
		return nil, fmt.Errorf("lock bill of order %s: %w", orderID, err)
	}
	b := payment.Bill(r)
	b.DueAt = b.DueAt.UTC()
	return &b, nil
}

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/product"
)

type stockRow struct {
	ProductID    int64
	OnHand       int64
	Reserved     int64
	StockVersion int64
}

func (r stockRow) stock() product.Stock {
	return product.Stock{ProductID: text(r.ProductID), OnHand: r.OnHand, Reserved: r.Reserved, Version: r.StockVersion}
}

// lock takes the stock rows of products in id order: every transaction does, so
// none waits for another in a circle.
func lock(tx *gorm.DB, productIDs []string) ([]product.Stock, error) {
	var rows []stockRow
	err := tx.Raw(`SELECT product_id, on_hand, reserved, stock_version FROM stock WHERE product_id = ANY(?::bigint[])
		ORDER BY product_id FOR UPDATE`, array(productIDs)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("lock stock: %w", err)
	}
	out := make([]product.Stock, len(rows))
	for i, r := range rows {
		out[i] = r.stock()
	}
	return out, nil
}

// Book lets f decide on an order's books and keeps what it decided.
func (s *Store) Book(ctx context.Context, orderID string, lines []product.Line, f func(*product.Books) error) (product.Changes, error) {
	order, err := number(orderID)
	if err != nil {
		return product.Changes{}, err
	}
	ids := make([]string, len(lines))
	for i, l := range lines {
		if _, err := number(l.ProductID); err != nil {
			return product.Changes{}, err
		}
		ids[i] = l.ProductID
	}
	var changes product.Changes
	err = postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		books, err := s.open(tx, order, ids)
		if err != nil {
			return err
		}
		if err := f(books); err != nil {
			return err
		}
		changes = books.Changes()
		return s.keep(ctx, tx, order, changes)
	})
	return changes, err
}

// open reads an order's books. The stock rows are locked first: events of one
// order name the same products, so they wait for each other here and the second
// one reads what the first one wrote.
func (s *Store) open(tx *gorm.DB, order int64, productIDs []string) (*product.Books, error) {
	stock, err := lock(tx, productIDs)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		ProductID int64
		Quantity  int64
		State     string
	}
	// A rejection reads as a row without a product.
	err = tx.Raw(`SELECT product_id, quantity, state FROM reservations WHERE order_id = ?
		UNION ALL SELECT 0, 0, 'rejected' FROM rejections WHERE order_id = ? ORDER BY 1`, order, order).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read reservations: %w", err)
	}
	var reservations []product.Reservation
	rejected := false
	for _, r := range rows {
		if r.ProductID == 0 {
			rejected = true
			continue
		}
		reservations = append(reservations, product.Reservation{OrderID: text(order), ProductID: text(r.ProductID), Quantity: r.Quantity, State: product.State(r.State)})
	}
	return product.NewBooks(text(order), stock, reservations, rejected), nil
}

func (s *Store) keep(ctx context.Context, tx *gorm.DB, order int64, c product.Changes) error {
	balances := c.Balances()
	if err := write(tx, balances, c.Entries, c.Reservations, ""); err != nil {
		return err
	}
	if c.Rejection != nil {
		if err := s.reject(ctx, tx, order, *c.Rejection); err != nil {
			return err
		}
	}
	s.afterCommit(ctx, balances, text(order))
	return nil
}

// reject records a rejection with the event that tells order of it.
func (s *Store) reject(ctx context.Context, tx *gorm.DB, order int64, r product.Rejection) error {
	e := stockv1.Rejected{OrderID: r.OrderID, AggregateVersion: 1, At: time.Now().UTC(), Shortages: []stockv1.Shortage{}}
	for _, short := range r.Shortages {
		e.Shortages = append(e.Shortages, stockv1.Shortage{ProductID: short.ProductID, Available: short.Available})
	}
	shortages, err := json.Marshal(e.Shortages)
	if err != nil {
		return err
	}
	// A second rejection of the order, at the same time, fails here and is tried again: it then finds this one.
	if err := tx.Exec("INSERT INTO rejections (order_id, shortages) VALUES (?, ?::jsonb)", order, string(shortages)).Error; err != nil {
		return fmt.Errorf("keep rejection: %w", err)
	}
	return s.events.Add(ctx, outbox.Event{Topic: stockv1.Topic, Type: stockv1.TypeRejected, Key: r.OrderID, Version: 1, Data: e})
}

// Adjust lets f decide on a product's stock and keeps the entry with its adjustment.
func (s *Store) Adjust(ctx context.Context, a product.Adjustment, f func(*product.Stock) (product.Entry, error)) (product.Stock, error) {
	var after product.Stock
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		stock, err := lock(tx, []string{a.ProductID})
		if err != nil {
			return err
		}
		if len(stock) == 0 {
			return product.Missing()
		}
		after = stock[0]
		res := tx.Exec(`INSERT INTO adjustments (id, product_id, delta, reason, actor) VALUES (?::bigint, ?::bigint, ?, ?, ?::bigint)
			ON CONFLICT (id) DO NOTHING`, a.ID, a.ProductID, a.Delta, a.Reason, a.By.UserID)
		if res.Error != nil {
			return fmt.Errorf("keep adjustment: %w", res.Error)
		}
		if res.RowsAffected == 0 {
			return nil
		}
		entry, err := f(&after)
		if err != nil {
			return err
		}
		if err := write(tx, []product.Stock{after}, []product.Entry{entry}, nil, a.ID); err != nil {
			return err
		}
		s.afterCommit(ctx, []product.Stock{after}, a.HoldID())
		return nil
	})
	return after, err
}

// afterCommit tells the gate of stock whose change contains this hold.
func (s *Store) afterCommit(ctx context.Context, stock []product.Stock, holdID string) {
	items := make([]product.Apply, len(stock))
	for i, b := range stock {
		items[i] = product.Apply{Stock: b}
		if holdID != "" {
			items[i].Recorded = []string{holdID}
		}
	}
	if len(items) > 0 && s.changed != nil {
		postgres.AfterCommit(ctx, s.db, func() { s.changed(items) })
	}
}

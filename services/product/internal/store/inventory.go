package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/inventory"
)

type stockRow struct {
	ProductID    int64
	OnHand       int64
	Reserved     int64
	StockVersion int64
}

func (r stockRow) stock() inventory.Stock {
	return inventory.Stock{ProductID: text(r.ProductID), OnHand: r.OnHand, Reserved: r.Reserved, Version: r.StockVersion}
}

// lock locks the stock rows of products in id order: every transaction does, so none can deadlock.
func lock(tx *gorm.DB, productIDs []string) ([]inventory.Stock, error) {
	var rows []stockRow
	err := tx.Raw(`SELECT product_id, on_hand, reserved, stock_version FROM stock WHERE product_id = ANY(?::bigint[])
		ORDER BY product_id FOR UPDATE`, array(productIDs)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("lock stock: %w", err)
	}
	out := make([]inventory.Stock, len(rows))
	for i, r := range rows {
		out[i] = r.stock()
	}
	return out, nil
}

// Lock implements inventory.Store.
func (s *Store) Lock(ctx context.Context, productIDs ...string) error {
	_, err := lock(postgres.DB(ctx, s.db), productIDs)
	return err
}

// RecordOrders lets f decide on the stock of orders and writes what it decided.
func (s *Store) RecordOrders(
	ctx context.Context, orders []inventory.Order, f func(*inventory.OrderStock, []inventory.Line) error,
) ([]inventory.Rejection, error) {
	var orderIDs, productIDs []string
	for _, o := range orders {
		if _, err := number(o.ID); err != nil {
			return nil, err
		}
		orderIDs = append(orderIDs, o.ID)
		for _, l := range o.Lines {
			if _, err := number(l.ProductID); err != nil {
				return nil, err
			}
			productIDs = append(productIDs, l.ProductID)
		}
	}
	slices.Sort(orderIDs)
	orderIDs = slices.Compact(orderIDs)
	var rejections []inventory.Rejection
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		rejections = nil
		if err := holdArchive.Unarchive(tx, orderIDs...); err != nil {
			return err
		}
		byOrder, err := readOrderStock(tx, orderIDs, productIDs)
		if err != nil {
			return err
		}
		for _, o := range orders {
			if err := f(byOrder[o.ID], o.Lines); err != nil {
				return fmt.Errorf("order %s: %w", o.ID, err)
			}
		}
		rejections, err = s.keep(ctx, tx, orderIDs, byOrder)
		return err
	})
	return rejections, err
}

// readOrderStock reads the stock of orders. The stock rows are locked first: events of one order name the same
// products, so they wait for each other here and the second one reads what the first one wrote.
func readOrderStock(tx *gorm.DB, orderIDs, productIDs []string) (map[string]*inventory.OrderStock, error) {
	stock, err := lock(tx, productIDs)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		OrderID   int64
		ProductID int64
		Quantity  int64
		State     string
	}
	// A rejection reads as a row without a product.
	err = tx.Raw(`SELECT order_id, product_id, quantity, state FROM reservations WHERE order_id = ANY(?::bigint[])
		UNION ALL SELECT order_id, 0, 0, 'rejected' FROM rejections WHERE order_id = ANY(?::bigint[]) ORDER BY 1, 2`,
		array(orderIDs), array(orderIDs)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read reservations: %w", err)
	}
	reservations, rejected := map[string][]inventory.Reservation{}, map[string]bool{}
	for _, r := range rows {
		id := text(r.OrderID)
		if r.ProductID == 0 {
			rejected[id] = true
			continue
		}
		reservations[id] = append(
			reservations[id],
			inventory.Reservation{
				OrderID:   id,
				ProductID: text(r.ProductID),
				Quantity:  r.Quantity,
				State:     inventory.State(r.State),
			},
		)
	}
	shelf := inventory.NewStockByProduct(stock...)
	byOrder := make(map[string]*inventory.OrderStock, len(orderIDs))
	for _, id := range orderIDs {
		byOrder[id] = inventory.NewOrderStock(id, shelf, reservations[id], rejected[id])
	}
	return byOrder, nil
}

// keep writes the decisions on all orders by one statement. Changes of one product follow each other, so the last
// balance is the product's.
func (s *Store) keep(
	ctx context.Context, tx *gorm.DB, orderIDs []string, byOrder map[string]*inventory.OrderStock,
) ([]inventory.Rejection, error) {
	balances := map[string]inventory.Stock{}
	holds := map[string][]string{}
	var all inventory.Changes
	var rejections []inventory.Rejection
	for _, id := range orderIDs {
		c := byOrder[id].Changes()
		all.Entries = append(all.Entries, c.Entries...)
		all.Reservations = append(all.Reservations, c.Reservations...)
		for _, b := range c.Balances() {
			if b.Version > balances[b.ProductID].Version {
				balances[b.ProductID] = b
			}
			holds[b.ProductID] = append(holds[b.ProductID], id)
		}
		if c.Rejection != nil {
			rejections = append(rejections, *c.Rejection)
		}
	}
	stock := slices.Collect(maps.Values(balances))
	if err := write(tx, stock, all.Entries, all.Reservations, ""); err != nil {
		return nil, err
	}
	for _, r := range rejections {
		if err := s.reject(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	s.afterCommit(ctx, stock, holds)
	return rejections, nil
}

// reject records a rejection with the event that tells order of it.
func (s *Store) reject(ctx context.Context, tx *gorm.DB, r inventory.Rejection) error {
	e := stockv1.Rejected{OrderID: r.OrderID, AggregateVersion: 1, At: time.Now().UTC(), Shortages: []stockv1.Shortage{}}
	for _, short := range r.Shortages {
		e.Shortages = append(e.Shortages, stockv1.Shortage{ProductID: short.ProductID, Available: short.Available})
	}
	shortages, err := json.Marshal(e.Shortages)
	if err != nil {
		return err
	}
	// A second, concurrent rejection of the order fails here and is tried again: it then finds this one.
	err = tx.Exec("INSERT INTO rejections (order_id, shortages) VALUES (?::bigint, ?::jsonb)",
		r.OrderID, string(shortages)).Error
	if err != nil {
		return fmt.Errorf("keep rejection: %w", err)
	}
	return s.events.Add(
		ctx, outbox.Event{Topic: stockv1.Topic, Type: stockv1.TypeRejected, Key: r.OrderID, Version: 1, Data: e},
	)
}

// Adjust lets f decide on a product's stock and keeps the entry with its adjustment.
func (s *Store) Adjust(
	ctx context.Context, a inventory.Adjustment, f func(*inventory.Stock) (inventory.Entry, error),
) (inventory.Stock, error) {
	var after inventory.Stock
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		if err := holdArchive.Unarchive(tx, a.ID); err != nil {
			return err
		}
		stock, err := lock(tx, []string{a.ProductID})
		if err != nil {
			return err
		}
		if len(stock) == 0 {
			return problem.NewNotFound("product")
		}
		after = stock[0]
		res := tx.Exec(
			`INSERT INTO adjustments (id, product_id, delta, reason, actor) VALUES (?::bigint, ?::bigint, ?, ?, ?::bigint)
			ON CONFLICT (id) DO NOTHING`,
			a.ID,
			a.ProductID,
			a.Delta,
			a.Reason,
			a.Actor,
		)
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
		if err := write(tx, []inventory.Stock{after}, []inventory.Entry{entry}, nil, a.ID); err != nil {
			return err
		}
		s.events.LogChange(ctx, "stock.adjusted", a.ProductID, "delta", a.Delta, "on_hand", after.OnHand, "actor", a.Actor)
		s.afterCommit(ctx, []inventory.Stock{after}, map[string][]string{after.ProductID: {a.HoldID()}})
		return nil
	})
	return after, err
}

// afterCommit sends the gate the stock whose change contains these holds, by product.
func (s *Store) afterCommit(ctx context.Context, stock []inventory.Stock, holds map[string][]string) {
	items := make([]inventory.Apply, len(stock))
	for i, b := range stock {
		items[i] = inventory.Apply{Stock: b, Recorded: holds[b.ProductID]}
	}
	if len(items) > 0 && s.changed != nil {
		postgres.AfterCommit(ctx, s.db, func() { s.changed(items) })
	}
}

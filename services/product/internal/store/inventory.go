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
	Untracked    bool
}

func (r stockRow) stock() inventory.Stock {
	return inventory.Stock{ProductID: formatID(r.ProductID), OnHand: r.OnHand, Reserved: r.Reserved,
		Version: r.StockVersion, Untracked: r.Untracked}
}

// lockStock locks the stock rows of products in the order of their ids, as every transaction does, so that none
// deadlock.
func lockStock(tx *gorm.DB, productIDs []string) ([]inventory.Stock, error) {
	var rows []stockRow
	err := tx.Raw(`SELECT product_id, on_hand, reserved, stock_version, NOT tracked AS untracked FROM stock
		WHERE product_id = ANY(?::bigint[]) ORDER BY product_id FOR UPDATE`, idArray(productIDs)).Scan(&rows).Error
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
	_, err := lockStock(postgres.DB(ctx, s.db), productIDs)
	return err
}

// RecordOrders implements inventory.Store.
func (s *Store) RecordOrders(
	ctx context.Context, orders []inventory.Order, decide func(*inventory.OrderStock, []inventory.Line) error,
) ([]inventory.Rejection, error) {
	var orderIDs, productIDs []string
	for _, o := range orders {
		if _, err := parseID(o.ID); err != nil {
			return nil, err
		}
		orderIDs = append(orderIDs, o.ID)
		for _, l := range o.Lines {
			if _, err := parseID(l.ProductID); err != nil {
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
		if err := recordedArchive.Unarchive(tx, orderIDs...); err != nil {
			return err
		}
		byOrder, err := readOrderStock(tx, orderIDs, productIDs)
		if err != nil {
			return err
		}
		for _, o := range orders {
			byOrder[o.ID].PlacedBy(o.ShopperID, o.DueAt)
			if err := decide(byOrder[o.ID], o.Lines); err != nil {
				return fmt.Errorf("order %s: %w", o.ID, err)
			}
		}
		rejections, err = s.writeOrders(ctx, tx, orderIDs, byOrder)
		return err
	})
	return rejections, err
}

// readOrderStock reads the stock of orders. The stock rows are locked first: events of one order name the same
// products, so they wait for each other here and the second one reads what the first one wrote.
func readOrderStock(tx *gorm.DB, orderIDs, productIDs []string) (map[string]*inventory.OrderStock, error) {
	stock, err := lockStock(tx, productIDs)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		OrderID   int64
		ProductID int64
		Quantity  int64
		State     string
		Untracked bool
	}
	// A rejection is returned as a row without a product.
	err = tx.Raw(`SELECT order_id, product_id, quantity, state, NOT from_stock AS untracked FROM reservations
		WHERE order_id = ANY(?::bigint[])
		UNION ALL SELECT order_id, 0, 0, 'rejected', false FROM rejections WHERE order_id = ANY(?::bigint[]) ORDER BY 1, 2`,
		idArray(orderIDs), idArray(orderIDs)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read reservations: %w", err)
	}
	reservations, rejected := map[string][]inventory.Reservation{}, map[string]bool{}
	for _, r := range rows {
		id := formatID(r.OrderID)
		if r.ProductID == 0 {
			rejected[id] = true
			continue
		}
		reservations[id] = append(
			reservations[id],
			inventory.Reservation{
				OrderID:   id,
				ProductID: formatID(r.ProductID),
				Quantity:  r.Quantity,
				State:     inventory.State(r.State),
				Untracked: r.Untracked,
			},
		)
	}
	byProduct := inventory.NewStockByProduct(stock...)
	byOrder := make(map[string]*inventory.OrderStock, len(orderIDs))
	for _, id := range orderIDs {
		byOrder[id] = inventory.NewOrderStock(id, byProduct, reservations[id], rejected[id])
	}
	return byOrder, nil
}

// writeOrders writes the changes of all orders by one statement, and the events of rejections. Several orders may
// change one product; the balance with the highest version is its stock.
func (s *Store) writeOrders(
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
	if err := writeStock(tx, stock, all.Entries, all.Reservations, ""); err != nil {
		return nil, err
	}
	for _, r := range rejections {
		if err := s.reject(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	s.syncGateAfterCommit(ctx, stock, holds)
	return rejections, nil
}

// reject writes a rejection with its event, for order.
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

// Adjust implements inventory.Store.
func (s *Store) Adjust(
	ctx context.Context, a inventory.Adjustment, decide func(*inventory.Stock) (inventory.Entry, error),
) (inventory.Stock, error) {
	var after inventory.Stock
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		if err := recordedArchive.Unarchive(tx, a.ID); err != nil {
			return err
		}
		stock, err := lockStock(tx, []string{a.ProductID})
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
		entry, err := decide(&after)
		if err != nil {
			return err
		}
		if err := writeStock(tx, []inventory.Stock{after}, []inventory.Entry{entry}, nil, a.ID); err != nil {
			return err
		}
		s.events.LogChange(ctx, "stock.adjusted", a.ProductID, "delta", a.Delta, "on_hand", after.OnHand, "actor", a.Actor)
		s.syncGateAfterCommit(ctx, []inventory.Stock{after}, map[string][]string{after.ProductID: {a.HoldID()}})
		return nil
	})
	return after, err
}

// syncGateAfterCommit queues stock for the gate after the commit, with the holds (by product) that the change recorded.
func (s *Store) syncGateAfterCommit(ctx context.Context, stock []inventory.Stock, holds map[string][]string) {
	items := make([]inventory.Apply, len(stock))
	for i, b := range stock {
		items[i] = inventory.Apply{Stock: b, Recorded: holds[b.ProductID]}
	}
	if len(items) > 0 && s.syncGate != nil {
		postgres.AfterCommit(ctx, s.db, func() { s.syncGate(items) })
	}
}

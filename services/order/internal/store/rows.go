package store

import (
	"time"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/order/internal/order"
)

// orderRow is the row of an order; ids are bigint in PostgreSQL and decimal strings here. The JSON names are the column
// names: insertOrder and updateOrders read rows as JSON.
type orderRow struct {
	ID           string    `gorm:"primaryKey" json:"id"`
	UserID       string    `json:"user_id"`
	Status       string    `json:"status"`
	Recipient    string    `json:"recipient"`
	Phone        string    `json:"phone"`
	Street       string    `json:"street"`
	City         string    `json:"city"`
	State        string    `json:"state"`
	Country      string    `json:"country"`
	PostalCode   string    `json:"postal_code"`
	Subtotal     int64     `json:"subtotal"`
	Shipping     int64     `json:"shipping"`
	Total        int64     `json:"total"`
	Currency     string    `json:"currency"`
	FromCart     bool      `json:"from_cart"`
	PaymentDueAt time.Time `json:"payment_due_at"`
	CancelReason string    `json:"cancel_reason"`
	CancelledBy  string    `json:"cancelled_by"`
	PaymentID    string    `json:"payment_id"`
	CreatedAt    time.Time `gorm:"autoCreateTime:false" json:"created_at"`
	UpdatedAt    time.Time `gorm:"autoUpdateTime:false" json:"updated_at"`
	Version      int64     `json:"version"`
}

func (orderRow) TableName() string { return "orders" }

type lineRow struct {
	OrderID   string `json:"order_id"`
	Position  int    `json:"position"`
	ProductID string `json:"product_id"`
	SellerID  string `json:"seller_id"`
	Name      string `json:"name"`
	Price     int64  `json:"price"`
	Quantity  int64  `json:"quantity"`
	ImageURL  string `json:"image_url"`
}

type historyRow struct {
	OrderID  string    `json:"order_id"`
	Position int       `json:"position"`
	Status   string    `json:"status"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

type refundRow struct {
	PaymentID string `gorm:"primaryKey"`
	OrderID   string
	Reason    string
	At        time.Time
}

func (refundRow) TableName() string { return "order_refunds" }

func toOrderRow(s order.Snapshot) orderRow {
	return orderRow{ID: string(s.ID), UserID: s.UserID, Status: string(s.Status),
		Recipient: s.Address.Recipient, Phone: s.Address.Phone, Street: s.Address.Street, City: s.Address.City,
		State:   s.Address.State,
		Country: s.Address.Country, PostalCode: s.Address.PostalCode,
		Subtotal: s.Subtotal, Shipping: s.Shipping, Total: s.Total, Currency: s.Currency, FromCart: s.FromCart,
		PaymentDueAt: s.PaymentDueAt, CancelReason: string(s.CancelReason), CancelledBy: s.CancelledBy,
		PaymentID: s.PaymentID,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, Version: s.Version}
}

func toLineRows(s order.Snapshot) []lineRow {
	rows := make([]lineRow, len(s.Lines))
	for i, l := range s.Lines {
		rows[i] = lineRow{OrderID: string(s.ID), Position: i, ProductID: l.ProductID, SellerID: l.SellerID, Name: l.Name,
			Price: l.Price, Quantity: l.Quantity, ImageURL: l.ImageURL}
	}
	return rows
}

func toHistoryRows(s order.Snapshot, from int) []historyRow {
	rows := []historyRow{}
	for i, h := range s.History[from:] {
		rows = append(rows, historyRow{OrderID: string(s.ID), Position: from + i, Status: string(h.Status),
			Reason: string(h.Reason), At: h.At})
	}
	return rows
}

// partRow is a line of an order, or an entry of its history: only that has a time.
type partRow struct {
	OrderID   string
	Position  int
	ProductID string
	SellerID  string
	Name      string
	Price     int64
	Quantity  int64
	ImageURL  string `gorm:"column:image_url"`
	Status    string
	Reason    string
	At        *time.Time
}

func fromRows(rows []orderRow, parts []partRow) []*order.Order {
	linesOf, historyOf := map[string][]order.Line{}, map[string][]order.HistoryEntry{}
	for _, p := range parts {
		if p.At != nil {
			historyOf[p.OrderID] = append(historyOf[p.OrderID],
				order.HistoryEntry{Status: order.Status(p.Status), At: p.At.UTC(), Reason: order.Reason(p.Reason)})
		} else {
			linesOf[p.OrderID] = append(linesOf[p.OrderID],
				order.Line{ProductID: p.ProductID, SellerID: p.SellerID, Name: p.Name, Price: p.Price, Quantity: p.Quantity,
					ImageURL: p.ImageURL})
		}
	}
	orders := make([]*order.Order, len(rows))
	for i, r := range rows {
		orders[i] = order.Restore(order.Snapshot{ID: order.ID(r.ID), UserID: r.UserID, Status: order.Status(r.Status),
			Lines: linesOf[r.ID], History: historyOf[r.ID],
			Address: order.Address{Recipient: r.Recipient, Phone: r.Phone, Street: r.Street, City: r.City, State: r.State,
				Country: r.Country, PostalCode: r.PostalCode},
			Subtotal: r.Subtotal, Shipping: r.Shipping, Total: r.Total, Currency: r.Currency, FromCart: r.FromCart,
			PaymentDueAt: r.PaymentDueAt.UTC(), CancelReason: order.Reason(r.CancelReason), CancelledBy: r.CancelledBy,
			PaymentID: r.PaymentID,
			CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Version: r.Version})
	}
	return orders
}

// toEvents makes the contract's events of a change.
func toEvents(s order.Snapshot, events []order.Event) []outbox.Event {
	lines := make([]orderv1.EventLine, len(s.Lines))
	for i, l := range s.Lines {
		lines[i] = orderv1.EventLine{ProductID: l.ProductID, SellerID: l.SellerID, Quantity: l.Quantity, Price: l.Price}
	}
	id := string(s.ID)
	out := make([]outbox.Event, len(events))
	for i, e := range events {
		v := outbox.Event{Topic: orderv1.Topic, Key: id, Version: s.Version}
		switch e.Kind {
		case order.EventPlaced:
			v.Type = orderv1.TypePlaced
			v.Data = orderv1.Placed{OrderID: id, AggregateVersion: s.Version, UserID: s.UserID, Lines: lines, Total: s.Total,
				Currency: s.Currency,
				FromCart: s.FromCart, PlacedAt: e.At, PaymentDueAt: s.PaymentDueAt}
		case order.EventPaid:
			v.Type = orderv1.TypePaid
			v.Data = orderv1.Paid{OrderID: id, AggregateVersion: s.Version, UserID: s.UserID, PaymentID: e.Payment.ID,
				Lines:  lines,
				Amount: e.Payment.Amount, Currency: e.Payment.Currency, At: e.At}
		case order.EventCancelled:
			v.Type = orderv1.TypeCancelled
			v.Data = orderv1.Cancelled{OrderID: id, AggregateVersion: s.Version, UserID: s.UserID, Reason: string(e.Reason),
				Lines: lines,
				Total: s.Total, Currency: s.Currency, At: e.At}
		case order.EventRefundRequested:
			v.Type = orderv1.TypeRefundRequested
			v.Data = orderv1.RefundRequested{OrderID: id, AggregateVersion: s.Version, PaymentID: e.Payment.ID,
				Amount:   e.Payment.Amount,
				Currency: e.Payment.Currency, Reason: string(e.Reason), At: e.At}
		}
		out[i] = v
	}
	return out
}

package store

import (
	"time"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/order/internal/order"
)

// row is how an order lies in PostgreSQL; ids are BIGINT there and decimal strings here.
type row struct {
	ID           string `gorm:"primaryKey"`
	UserID       string
	Status       string
	Recipient    string
	Phone        string
	Street       string
	City         string
	State        string
	Country      string
	PostalCode   string
	Subtotal     int64
	Shipping     int64
	Total        int64
	Currency     string
	FromCart     bool
	PaymentDueAt time.Time
	CancelReason string
	CancelledBy  string
	PaymentID    string
	CreatedAt    time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt    time.Time `gorm:"autoUpdateTime:false"`
	Version      int64
}

func (row) TableName() string { return "orders" }

type lineRow struct {
	OrderID   string `gorm:"primaryKey"`
	Position  int    `gorm:"primaryKey;autoIncrement:false"`
	ProductID string
	SellerID  string
	Name      string
	Price     int64
	Quantity  int64
}

func (lineRow) TableName() string { return "order_lines" }

type historyRow struct {
	OrderID  string `gorm:"primaryKey"`
	Position int    `gorm:"primaryKey;autoIncrement:false"`
	Status   string
	Reason   string
	At       time.Time
}

func (historyRow) TableName() string { return "order_history" }

type refundRow struct {
	PaymentID string `gorm:"primaryKey"`
	OrderID   string
	Reason    string
	At        time.Time
}

func (refundRow) TableName() string { return "order_refunds" }

func toRow(s order.Snapshot) row {
	return row{ID: string(s.ID), UserID: s.UserID, Status: string(s.Status),
		Recipient: s.Address.Recipient, Phone: s.Address.Phone, Street: s.Address.Street, City: s.Address.City, State: s.Address.State,
		Country: s.Address.Country, PostalCode: s.Address.PostalCode,
		Subtotal: s.Subtotal, Shipping: s.Shipping, Total: s.Total, Currency: s.Currency, FromCart: s.FromCart,
		PaymentDueAt: s.PaymentDueAt, CancelReason: string(s.CancelReason), CancelledBy: s.CancelledBy, PaymentID: s.PaymentID,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, Version: s.Version}
}

func toLineRows(s order.Snapshot) []lineRow {
	rows := make([]lineRow, len(s.Lines))
	for i, l := range s.Lines {
		rows[i] = lineRow{OrderID: string(s.ID), Position: i, ProductID: l.ProductID, SellerID: l.SellerID, Name: l.Name, Price: l.Price, Quantity: l.Quantity}
	}
	return rows
}

func toHistoryRows(s order.Snapshot, known int) []historyRow {
	var rows []historyRow
	for i, h := range s.History[known:] {
		rows = append(rows, historyRow{OrderID: string(s.ID), Position: known + i, Status: string(h.Status), Reason: string(h.Reason), At: h.At})
	}
	return rows
}

func fromRows(rows []row, lines []lineRow, history []historyRow) []*order.Order {
	linesOf := map[string][]order.Line{}
	for _, l := range lines {
		linesOf[l.OrderID] = append(linesOf[l.OrderID], order.Line{ProductID: l.ProductID, SellerID: l.SellerID, Name: l.Name, Price: l.Price, Quantity: l.Quantity})
	}
	historyOf := map[string][]order.Change{}
	for _, h := range history {
		historyOf[h.OrderID] = append(historyOf[h.OrderID], order.Change{Status: order.Status(h.Status), At: h.At.UTC(), Reason: order.Reason(h.Reason)})
	}
	orders := make([]*order.Order, len(rows))
	for i, r := range rows {
		orders[i] = order.Restore(order.Snapshot{ID: order.ID(r.ID), UserID: r.UserID, Status: order.Status(r.Status),
			Lines: linesOf[r.ID], History: historyOf[r.ID],
			Address:  order.Address{Recipient: r.Recipient, Phone: r.Phone, Street: r.Street, City: r.City, State: r.State, Country: r.Country, PostalCode: r.PostalCode},
			Subtotal: r.Subtotal, Shipping: r.Shipping, Total: r.Total, Currency: r.Currency, FromCart: r.FromCart,
			PaymentDueAt: r.PaymentDueAt.UTC(), CancelReason: order.Reason(r.CancelReason), CancelledBy: r.CancelledBy, PaymentID: r.PaymentID,
			CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Version: r.Version})
	}
	return orders
}

// toEvents tells a change in the words of the contract.
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
			v.Data = orderv1.Placed{OrderID: id, AggregateVersion: s.Version, UserID: s.UserID, Lines: lines, Total: s.Total, Currency: s.Currency,
				FromCart: s.FromCart, PlacedAt: e.At, PaymentDueAt: s.PaymentDueAt}
		case order.EventPaid:
			v.Type = orderv1.TypePaid
			v.Data = orderv1.Paid{OrderID: id, AggregateVersion: s.Version, UserID: s.UserID, PaymentID: e.Payment.ID, Lines: lines,
				Amount: e.Payment.Amount, Currency: e.Payment.Currency, At: e.At}
		case order.EventCancelled:
			v.Type = orderv1.TypeCancelled
			v.Data = orderv1.Cancelled{OrderID: id, AggregateVersion: s.Version, UserID: s.UserID, Reason: string(e.Reason), Lines: lines,
				Total: s.Total, Currency: s.Currency, At: e.At}
		case order.EventRefundRequested:
			v.Type = orderv1.TypeRefundRequested
			v.Data = orderv1.RefundRequested{OrderID: id, AggregateVersion: s.Version, PaymentID: e.Payment.ID, Amount: e.Payment.Amount,
				Currency: e.Payment.Currency, Reason: string(e.Reason), At: e.At}
		}
		out[i] = v
	}
	return out
}

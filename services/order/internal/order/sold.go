package order

import (
	"context"
	"time"
)

// Sold is what a seller sees of an order: the own lines and, while there is something to send, where to. It does not
// say who ordered, nor what else.
type Sold struct {
	OrderID ID
	Status  Status // Paid: to be sent; Cancelled or Refunded: the stock was missing, and the money goes back
	PaidAt  time.Time
	Lines   []Line
	Address *Address // of a paid order
}

// SoldBy returns what a seller sees of a paid order.
func (o *Order) SoldBy(sellerID string) Sold {
	sold := Sold{OrderID: o.state.ID, Status: o.state.Status}
	for _, h := range o.state.History {
		if h.Status == Paid {
			sold.PaidAt = h.At
		}
	}
	for _, l := range o.state.Lines {
		if l.SellerID == sellerID {
			sold.Lines = append(sold.Lines, l)
		}
	}
	if o.state.Status == Paid {
		address := o.state.Address
		sold.Address = &address
	}
	return sold
}

// ListSold returns the orders with lines of a seller that have been paid, newest first, those older than before ("" for
// all); with a status only those that have it.
func (s *Service) ListSold(ctx context.Context, sellerID string, status Status, before ID, limit int) ([]Sold, error) {
	found, err := s.store.ListSold(ctx, sellerID, status, before, limit)
	if err != nil {
		return nil, err
	}
	sold := make([]Sold, len(found))
	for i, o := range found {
		sold[i] = o.SoldBy(sellerID)
	}
	return sold, nil
}

-- +goose Up
-- Which payments were asked back for an order is asked at each refund.
CREATE INDEX order_refunds_of_order ON order_refunds (order_id);

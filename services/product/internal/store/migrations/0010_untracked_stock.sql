-- +goose Up
-- Stock that is not tracked is never short: orders reserve and deduct none of it. What an order reserved before stays
-- its own (from_stock). Constant defaults rewrite nothing.
ALTER TABLE stock ADD COLUMN tracked boolean NOT NULL DEFAULT true;
ALTER TABLE all_reservations ADD COLUMN from_stock boolean NOT NULL DEFAULT true;

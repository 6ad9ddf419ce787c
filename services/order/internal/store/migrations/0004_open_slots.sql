-- +goose NO TRANSACTION
-- +goose Up
-- Unpaid orders of a shopper have different slots from 1 to checkout.max_open_orders, so that no more of them can exist
-- (ADR 36). Orders of earlier versions, and those placed while the cap is off, have none.
ALTER TABLE all_orders ADD COLUMN IF NOT EXISTS open_slot smallint;
-- A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS orders_open_slot;
CREATE UNIQUE INDEX CONCURRENTLY orders_open_slot ON orders (user_id, open_slot) WHERE status = 'awaiting_payment';

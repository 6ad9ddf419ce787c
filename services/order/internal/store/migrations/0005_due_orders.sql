-- +goose NO TRANSACTION
-- +goose Up
-- The index of due orders is for those who ask for a due time only: its condition does not follow from "awaiting_payment".
-- Otherwise PostgreSQL may count a shopper's unpaid orders with it, by reading those of all shoppers, if it plans the
-- statement while there are few orders.
-- A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS orders_due_at;
CREATE INDEX CONCURRENTLY orders_due_at ON orders (payment_due_at)
    WHERE status = 'awaiting_payment' AND payment_due_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS orders_due;

-- +goose NO TRANSACTION
-- +goose Up
-- Whose unpaid order has reserved the stock, and until when (ADR 36). Reservations by earlier versions have neither.
ALTER TABLE all_reservations ADD COLUMN IF NOT EXISTS user_id bigint;
ALTER TABLE all_reservations ADD COLUMN IF NOT EXISTS due_at timestamptz;
-- A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS reservations_of_user;
CREATE INDEX CONCURRENTLY reservations_of_user ON reservations (user_id, product_id) WHERE state = 'reserved';

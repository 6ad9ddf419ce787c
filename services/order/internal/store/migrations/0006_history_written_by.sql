-- +goose NO TRANSACTION
-- +goose Up
-- Which transaction wrote an entry of the history: who follows all orders asks for what was written by transactions that
-- the last answer did not include (ADR 45). Entries of earlier versions have none. The first entry of an order is not
-- asked for: nobody follows an order that does not exist.
ALTER TABLE all_order_history ADD COLUMN IF NOT EXISTS written_by xid8;
ALTER TABLE order_history ALTER COLUMN written_by SET DEFAULT pg_current_xact_id();
-- A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS order_history_written_by;
CREATE INDEX CONCURRENTLY order_history_written_by ON order_history (written_by) WHERE position > 0;

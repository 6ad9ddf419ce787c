-- +goose NO TRANSACTION
-- +goose Up
-- Which entries are old. A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS stock_ledger_by_age;
CREATE INDEX CONCURRENTLY stock_ledger_by_age ON stock_ledger (at);

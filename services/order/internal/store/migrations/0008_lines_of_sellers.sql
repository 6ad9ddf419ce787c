-- +goose NO TRANSACTION
-- +goose Up
-- What a seller has sold, newest order first. A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS order_lines_of_seller;
CREATE INDEX CONCURRENTLY order_lines_of_seller ON order_lines (seller_id, order_id);
DROP INDEX CONCURRENTLY IF EXISTS archived_order_lines_of_seller;
CREATE INDEX CONCURRENTLY archived_order_lines_of_seller ON archived_order_lines (seller_id, order_id);

-- +goose NO TRANSACTION
-- +goose Up
-- The seller's own number of a product. A service of an earlier version leaves it as it is.
ALTER TABLE products ADD COLUMN IF NOT EXISTS sku text;
-- A removed product frees its sku. A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS products_sku;
CREATE UNIQUE INDEX CONCURRENTLY products_sku ON products (seller_id, sku) WHERE sku IS NOT NULL AND deleted_at IS NULL;

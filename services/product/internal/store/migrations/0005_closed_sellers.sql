-- +goose NO TRANSACTION
-- +goose Up
-- Sellers who may not sell at present (banned, not a seller any more, deleted): their products are not on sale.
CREATE TABLE IF NOT EXISTS closed_sellers (
    seller_id bigint      PRIMARY KEY,
    since     timestamptz NOT NULL DEFAULT now()
);
DROP INDEX CONCURRENTLY IF EXISTS products_by_seller;
CREATE INDEX CONCURRENTLY products_by_seller ON products (seller_id, id);

-- +goose NO TRANSACTION
-- +goose Up
-- A cart is taken by one checkout at a time (ADR 37). takes_cart is true from the beginning of a checkout of a cart
-- until it is refused, or the next one has seen the cart without what this one has bought. A service of an earlier
-- version leaves it false.
ALTER TABLE all_checkouts ADD COLUMN IF NOT EXISTS takes_cart boolean NOT NULL DEFAULT false;
-- A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS checkouts_taking_a_cart;
CREATE UNIQUE INDEX CONCURRENTLY checkouts_taking_a_cart ON checkouts (user_id) WHERE takes_cart;
-- Also those of the last minutes are looked for.
DROP INDEX CONCURRENTLY IF EXISTS checkouts_of_user_by_age;
CREATE INDEX CONCURRENTLY checkouts_of_user_by_age ON checkouts (user_id, order_id);
DROP INDEX CONCURRENTLY IF EXISTS checkouts_of_user;

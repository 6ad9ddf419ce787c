-- +goose NO TRANSACTION
-- +goose Up
-- By which rules, and of which version of the product, its search was made. A service of an earlier version writes
-- neither: what it changes is indexed again.
ALTER TABLE products ADD COLUMN IF NOT EXISTS search_rules smallint NOT NULL DEFAULT 1;
ALTER TABLE products ADD COLUMN IF NOT EXISTS search_version bigint NOT NULL DEFAULT 0;
-- What is to be indexed again. A build that was broken off leaves an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS products_to_index;
CREATE INDEX CONCURRENTLY products_to_index ON products (id)
    WHERE (search_rules < 2 OR search_version <> version) AND deleted_at IS NULL;

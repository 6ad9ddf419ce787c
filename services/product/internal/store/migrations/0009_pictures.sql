-- +goose Up
-- All pictures, [{"url", "alt"?}]; the first is image_url. A service of an earlier version writes only image_url, which
-- is then the one that counts. A constant default rewrites nothing.
ALTER TABLE products ADD COLUMN pictures jsonb NOT NULL DEFAULT '[]';

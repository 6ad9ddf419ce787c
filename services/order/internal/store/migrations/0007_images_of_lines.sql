-- +goose Up
-- The address of a product's main picture when the order was placed. A service of an earlier version writes none. A
-- constant default rewrites nothing.
ALTER TABLE all_order_lines ADD COLUMN image_url text NOT NULL DEFAULT '';

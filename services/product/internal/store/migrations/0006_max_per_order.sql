-- +goose Up
-- How many units one order may have; NULL: no maximum. Existing rows have none, so there is nothing to validate.
ALTER TABLE products ADD COLUMN max_per_order smallint;
ALTER TABLE products ADD CONSTRAINT products_max_per_order_check CHECK (max_per_order BETWEEN 1 AND 999) NOT VALID;

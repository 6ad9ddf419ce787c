-- +goose Up
-- A seller's older reports are removed when an import begins.
CREATE INDEX imports_by_seller ON imports (seller_id, created_at);

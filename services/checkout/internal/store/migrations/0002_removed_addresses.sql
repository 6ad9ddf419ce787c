-- +goose Up
-- Those that are to be forgotten are found without reading all addresses.
CREATE INDEX addresses_removed ON addresses (removed_at) WHERE removed_at IS NOT NULL;

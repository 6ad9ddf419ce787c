-- +goose Up
-- The version of the value in the configuration store: a store that comes back from an older snapshot is behind it.
ALTER TABLE settings ADD COLUMN version bigint NOT NULL DEFAULT 0;

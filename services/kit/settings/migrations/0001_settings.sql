-- +goose Up
-- The last good value of each setting: what the service runs with when the configuration store is away or has lost it.
CREATE TABLE settings (
    key        text PRIMARY KEY,
    value      text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

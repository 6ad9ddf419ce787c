-- +goose Up
-- What has run out is found by its age, not by reading the table.
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- +goose Up
-- The one-time secrets that have made somebody the first admin: each does so once.
CREATE TABLE admin_appointments (
    secret_hash bytea PRIMARY KEY, -- SHA-256: whoever reads this table cannot use it
    user_id     bigint      NOT NULL,
    used_at     timestamptz NOT NULL DEFAULT now()
);

-- +goose Up
-- What the sandbox provider remembers: on its own, so that it can know what payment has forgotten.
CREATE TABLE charges (
    id           text PRIMARY KEY,
    ref          text        NOT NULL UNIQUE,
    amount       bigint      NOT NULL,
    currency     text        NOT NULL,
    state        text        NOT NULL CHECK (state IN ('created', 'processing', 'succeeded', 'failed', 'cancelled')),
    failure_code text        NOT NULL DEFAULT '',
    ready_at     timestamptz, -- a slow charge succeeds then
    captured     bigint      NOT NULL DEFAULT 0,
    refunded     bigint      NOT NULL DEFAULT 0 CHECK (refunded <= captured),
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- +goose Up
-- What a user's Idempotency-Key stands for: the request it came with, the id of its effect, and its answer.
CREATE TABLE idempotency_keys (
    user_id     bigint      NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL, -- HMAC of method, path and body: bodies carry card numbers
    effect_id   bigint      NOT NULL,
    record      text,                 -- what a run must know that goes on after a crash
    lease_until timestamptz NOT NULL,
    status      integer,              -- NULL while no answer is known
    etag        text        NOT NULL DEFAULT '',
    body        text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
) WITH (fillfactor = 55); -- every row is updated once, by its answer: with room on its page that touches no index
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- What a user's Idempotency-Key stands for: the request it came with, the id of its effect, and its answer.
CREATE TABLE idempotency_keys (
    user_id     bigint      NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL, -- HMAC of method, path and body: bodies carry card numbers
    effect_id   bigint      NOT NULL,
    lease_until timestamptz NOT NULL,
    status      integer,              -- NULL while no answer is known
    etag        text        NOT NULL DEFAULT '',
    body        text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- +goose Up
-- The record of each checkout: what the shopper asked for, committed before any stock is held, and what became of it.
CREATE TABLE checkouts (
    order_id       bigint      PRIMARY KEY, -- the checkout's id: that of the order which it places
    user_id        bigint      NOT NULL,
    key            text        NOT NULL,    -- the Idempotency-Key of its request
    state          text        NOT NULL DEFAULT 'begun' CHECK (state IN ('begun', 'placed', 'refused')),
    refusal        text        NOT NULL DEFAULT '', -- the code, once it is refused
    items          jsonb       NOT NULL,    -- [{"product_id", "quantity"}]
    from_cart      boolean     NOT NULL,
    expected_total bigint,
    address        jsonb       NOT NULL,    -- {} once the account is deleted
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85); -- every row is updated once: its new version fits on its page and touches no index
-- The addresses of a deleted account are erased.
CREATE INDEX checkouts_of_user ON checkouts (user_id);

-- What is old moves into archived_checkouts; all_checkouts reads both (ADR 30).
CREATE TABLE all_checkouts (LIKE checkouts INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE checkouts INHERIT all_checkouts;
CREATE TABLE archived_checkouts (LIKE checkouts INCLUDING ALL) INHERITS (all_checkouts);

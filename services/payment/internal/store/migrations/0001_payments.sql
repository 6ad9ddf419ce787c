-- +goose Up
CREATE TABLE bills (
    order_id   bigint PRIMARY KEY,
    user_id    bigint      NOT NULL,
    amount     bigint      NOT NULL CHECK (amount >= 0),
    currency   text        NOT NULL,
    due_at     timestamptz NOT NULL,
    status     text        NOT NULL CHECK (status IN ('open', 'paid', 'closed', 'refunded')),
    version    bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE payments (
    id           bigint PRIMARY KEY,
    order_id     bigint      NOT NULL REFERENCES bills (order_id),
    user_id      bigint      NOT NULL,
    provider     text        NOT NULL,
    provider_id  text        NOT NULL DEFAULT '',
    amount       bigint      NOT NULL,
    currency     text        NOT NULL,
    status       text        NOT NULL CHECK (status IN ('processing', 'succeeded', 'failed', 'cancelled', 'refunded')),
    card_brand   text        NOT NULL,
    card_last4   text        NOT NULL,
    failure_code text        NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    -- When the settler may look (again): first after the request that started the attempt must have ended.
    look_at      timestamptz NOT NULL DEFAULT now() + interval '7 seconds'
);
-- At most one attempt is under way per bill, whatever races.
CREATE UNIQUE INDEX payments_live ON payments (order_id) WHERE status = 'processing';
CREATE INDEX payments_of_order ON payments (order_id);

CREATE TABLE refunds (
    payment_id bigint PRIMARY KEY REFERENCES payments (id),
    amount     bigint      NOT NULL,
    done_at    timestamptz,
    attempts   integer     NOT NULL DEFAULT 0,
    look_at    timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refunds_pending ON refunds (look_at) WHERE done_at IS NULL;

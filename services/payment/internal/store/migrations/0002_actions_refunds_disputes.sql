-- +goose Up
-- What the shopper has to do before the money moves. The attempt stays 'processing' here: it is under way, and the version before knows no other word.
ALTER TABLE payments ADD COLUMN next_action jsonb;
CREATE INDEX payments_at_provider ON payments (provider_id) WHERE provider_id <> '';

-- A refund is done only when the provider says that it succeeded, and a bank may take that back later.
ALTER TABLE refunds
    ADD COLUMN status             text        NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'pending', 'succeeded', 'failed')),
    ADD COLUMN provider_refund_id text        NOT NULL DEFAULT '',
    ADD COLUMN failures           integer     NOT NULL DEFAULT 0,
    ADD COLUMN reason             text        NOT NULL DEFAULT '',
    ADD COLUMN told_at            timestamptz; -- when the event was written: once, even if it is done twice
UPDATE refunds SET status = 'succeeded', told_at = done_at, look_at = 'infinity' WHERE done_at IS NOT NULL;
CREATE INDEX refunds_due ON refunds (look_at) WHERE look_at < 'infinity';

CREATE TABLE disputes (
    provider   text        NOT NULL,
    id         text        NOT NULL,
    charge_id  text        NOT NULL,
    payment_id bigint REFERENCES payments (id),
    amount     bigint      NOT NULL, -- in the provider's unit
    currency   text        NOT NULL,
    reason     text        NOT NULL,
    status     text        NOT NULL,
    told_at    timestamptz NOT NULL, -- by the provider's clock: an older notice changes nothing
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, id)
);
CREATE INDEX disputes_of_payment ON disputes (payment_id);

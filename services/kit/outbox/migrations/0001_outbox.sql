-- +goose Up
-- Events written in the transaction of the change they tell of.
CREATE TABLE outbox (
    seq               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id                text        NOT NULL UNIQUE,
    topic             text        NOT NULL,
    type              text        NOT NULL,
    key               text        NOT NULL,
    aggregate_version bigint      NOT NULL,
    payload           text        NOT NULL, -- the whole CloudEvent: what is published is what the feed serves
    traceparent       text        NOT NULL DEFAULT '',
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    pos               bigint UNIQUE,        -- order of the feed, given after the commit
    published_at      timestamptz,
    claimed_until     timestamptz,
    attempts          integer     NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX outbox_unnumbered ON outbox (seq) WHERE pos IS NULL;
CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_key ON outbox (key);

-- Where the feed stands: the last number given, and the last one that retention has removed.
CREATE TABLE outbox_head (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    pos            bigint NOT NULL DEFAULT 0,
    purged_through bigint NOT NULL DEFAULT 0
);
INSERT INTO outbox_head DEFAULT VALUES;

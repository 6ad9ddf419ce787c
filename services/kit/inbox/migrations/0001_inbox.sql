-- +goose Up
-- Every event a room handles, once. A row commits with the effect of its event.
CREATE TABLE inbox (
    id          text PRIMARY KEY,
    source      text        NOT NULL,
    type        text        NOT NULL,
    key         text        NOT NULL DEFAULT '',
    status      text        NOT NULL CHECK (status IN ('done', 'parked', 'dropped')),
    via         text        NOT NULL, -- push or feed: how it came first
    attempts    integer     NOT NULL DEFAULT 1,
    reason      text        NOT NULL DEFAULT '',
    payload     text,                 -- kept while parked or dropped
    next_try_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    handled_at  timestamptz
);
CREATE INDEX inbox_parked ON inbox (next_try_at) WHERE status = 'parked';
CREATE INDEX inbox_received ON inbox (received_at);

-- How far each producer's feed was compared with the inbox, and which replica does it.
CREATE TABLE inbox_cursors (
    source      text PRIMARY KEY,
    pos         bigint      NOT NULL DEFAULT 0,
    owner       text        NOT NULL DEFAULT '',
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
);

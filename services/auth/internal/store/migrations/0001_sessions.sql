-- +goose Up
-- What auth knows of accounts, by their events; version keeps old news out.
CREATE TABLE accounts (
    user_id bigint PRIMARY KEY,
    roles   jsonb   NOT NULL,
    banned  boolean NOT NULL,
    version bigint  NOT NULL
);

CREATE TABLE sessions (
    id         bigint PRIMARY KEY,
    user_id    bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX sessions_open ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_age ON sessions (created_at);

CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY, -- SHA-256: whoever reads this table cannot use it
    session_id bigint      NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    successor  bytea,
    used_at    timestamptz,
    expires_at timestamptz NOT NULL
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE revocations (
    kind       text        NOT NULL CHECK (kind IN ('user', 'session')),
    subject    bigint      NOT NULL,
    not_before timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX revocations_created ON revocations (created_at);

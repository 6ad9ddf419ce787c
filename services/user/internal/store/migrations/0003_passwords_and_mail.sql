-- +goose Up
-- password_id names the password: sessions of another one have ended, except the one it was changed in (kept_session).
ALTER TABLE users
    ADD COLUMN email_verified boolean NOT NULL DEFAULT false,
    ADD COLUMN password_id    text    NOT NULL DEFAULT '',
    ADD COLUMN kept_session   text    NOT NULL DEFAULT '';

-- Mails that are to be sent. One of an unknown email is kept like any other, so that nobody can tell by the answer or its time.
CREATE TABLE mail_requests (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text        NOT NULL,
    purpose    text        NOT NULL CHECK (purpose IN ('reset', 'verify')),
    attempts   integer     NOT NULL DEFAULT 0,
    next_at    timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (email, purpose)
);
CREATE INDEX mail_requests_due ON mail_requests (next_at);

-- What was mailed: shown once, before it expires, it proves that the mail was read.
CREATE TABLE mail_tokens (
    hash       bytea PRIMARY KEY, -- SHA-256: whoever reads this table cannot use it
    user_id    bigint      NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    text        NOT NULL,
    email      text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX mail_tokens_of_user ON mail_tokens (user_id, purpose);
CREATE INDEX mail_tokens_expiry ON mail_tokens (expires_at);

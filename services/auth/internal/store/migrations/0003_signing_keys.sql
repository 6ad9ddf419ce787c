-- +goose Up
-- The keys that sign access tokens. A key is published when it is created, signs when it is activated, is published on after it was
-- retired until its last token has expired, and is gone at once when it is revoked.
CREATE TABLE signing_keys (
    kid          text PRIMARY KEY,
    wrap         text        NOT NULL, -- the key of the secret store that sealed it
    sealed       bytea       NOT NULL, -- AES-256-GCM of the Ed25519 seed: a copy of this database signs nothing
    created_at   timestamptz NOT NULL,
    activated_at timestamptz,
    retired_at   timestamptz,
    revoked_at   timestamptz
);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys ((true))
    WHERE activated_at IS NOT NULL AND retired_at IS NULL AND revoked_at IS NULL;

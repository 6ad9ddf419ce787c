-- +goose Up
CREATE TABLE users (
    id            bigint PRIMARY KEY,
    email         text        NOT NULL CONSTRAINT users_email UNIQUE, -- lower case
    password_hash text        NOT NULL,
    roles         jsonb       NOT NULL,
    banned        boolean     NOT NULL DEFAULT false,
    ban_reason    text        NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL,
    version       bigint      NOT NULL
);
CREATE INDEX users_roles ON users USING gin (roles);

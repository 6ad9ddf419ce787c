-- +goose Up
CREATE TABLE addresses (
    id          bigint PRIMARY KEY,
    user_id     bigint      NOT NULL,
    recipient   text        NOT NULL,
    phone       text        NOT NULL,
    street      text        NOT NULL,
    city        text        NOT NULL,
    state       text        NOT NULL,
    country     text        NOT NULL,
    postal_code text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    removed_at  timestamptz -- kept for a day, so that a repeated request finds what it made
);
CREATE INDEX addresses_of_user ON addresses (user_id, id DESC) WHERE removed_at IS NULL;

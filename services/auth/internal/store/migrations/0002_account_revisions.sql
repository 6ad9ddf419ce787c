-- +goose Up
-- revision counts how often the state of an account was taken from user, who alone knows it: of two answers the one that was asked for
-- later wins, whatever versions they carry. doubtful: it changed, and user could not be asked; nothing is refreshed until it was.
ALTER TABLE accounts
    ADD COLUMN revision bigint  NOT NULL DEFAULT 1,
    ADD COLUMN doubtful boolean NOT NULL DEFAULT false;

-- +goose Up
-- Deletions are told again: what a token that was still alive has written since then goes, too.
CREATE TABLE deletions_to_tell (
    user_id bigint      NOT NULL,
    version bigint      NOT NULL, -- of the account, as the event has it
    due_at  timestamptz NOT NULL,
    PRIMARY KEY (user_id, version)
);
CREATE INDEX deletions_to_tell_due ON deletions_to_tell (due_at);
-- A mail that was not sent does not count for how many an account gets.
ALTER TABLE mail_tokens ADD COLUMN sent boolean NOT NULL DEFAULT true;

-- +goose Up
-- A session is of the password it was opened with: a new one ends the sessions of the old one, except the one it was changed in.
ALTER TABLE accounts
    ADD COLUMN password_id  text NOT NULL DEFAULT '',
    ADD COLUMN kept_session text NOT NULL DEFAULT '';
ALTER TABLE sessions
    ADD COLUMN password_id  text NOT NULL DEFAULT '',
    ADD COLUMN last_used_at timestamptz;

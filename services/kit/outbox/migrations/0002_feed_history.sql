-- +goose Up
-- The id of the event at purged_through: a consumer that stands there can still be told from one of another history.
ALTER TABLE outbox_head ADD COLUMN purged_id text NOT NULL DEFAULT '';

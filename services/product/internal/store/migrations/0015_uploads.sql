-- +goose Up
-- Pictures that sellers have uploaded, by the name that their content gives them. The pictures are files of the binding
-- pictures.
CREATE TABLE uploads (
    name text PRIMARY KEY CHECK (name ~ '^[0-9a-f]{32}$'),
    user_id bigint NOT NULL, -- who uploaded it first
    bytes integer NOT NULL CHECK (bytes > 0),
    uploaded_at timestamptz NOT NULL
);
CREATE INDEX uploads_by_user ON uploads (user_id, uploaded_at);

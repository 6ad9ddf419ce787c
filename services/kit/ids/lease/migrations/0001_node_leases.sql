-- +goose Up
-- Who may use which Snowflake node, and until when by the database's clock.
CREATE TABLE node_leases (
    node       integer PRIMARY KEY CHECK (node BETWEEN 0 AND 1023),
    owner      text        NOT NULL,
    expires_at timestamptz NOT NULL
);

-- +goose Up
-- Disputes are kept for ever, and how many are open is read every few seconds.
CREATE INDEX disputes_open ON disputes (provider) WHERE status NOT IN ('won', 'lost', 'warning_closed');

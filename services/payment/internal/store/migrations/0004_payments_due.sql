-- +goose Up
-- After an outage of a provider thousands of attempts are under way, and each claim of the settler takes the one that is due longest.
CREATE INDEX payments_due ON payments (look_at) WHERE status = 'processing';

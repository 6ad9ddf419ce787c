-- +goose Up
-- The card's bank may ask the shopper.
ALTER TABLE charges DROP CONSTRAINT charges_state_check,
    ADD CONSTRAINT charges_state_check CHECK (state IN ('created', 'requires_action', 'processing', 'succeeded', 'failed', 'cancelled'));

-- +goose Up
-- When an account is deleted its removed addresses go, too.
CREATE INDEX addresses_of_account ON addresses (user_id);

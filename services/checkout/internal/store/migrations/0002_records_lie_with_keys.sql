-- The record of a checkout lies in idempotency_keys now, written by the statement that claims the key. No version that used this
-- table was ever released.
DROP TABLE checkouts;

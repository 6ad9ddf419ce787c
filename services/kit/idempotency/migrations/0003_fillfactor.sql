-- Every row is updated once, by its answer: with room on its page that touches no index.
ALTER TABLE idempotency_keys SET (fillfactor = 55);

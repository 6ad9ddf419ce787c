-- What a run must know that goes on after a crash, committed with the key before anything happens.
ALTER TABLE idempotency_keys ADD COLUMN record text;

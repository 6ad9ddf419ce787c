-- What is old and finished moves here (ADR 30). A query of reservations reads both tables; ONLY reservations is the live one.
CREATE TABLE archived_reservations (LIKE reservations INCLUDING ALL) INHERITS (reservations);
CREATE TABLE archived_rejections   (LIKE rejections   INCLUDING ALL) INHERITS (rejections);
CREATE TABLE archived_adjustments  (LIKE adjustments  INCLUDING ALL) INHERITS (adjustments);
CREATE TABLE archived_stock_ledger (LIKE stock_ledger INCLUDING ALL) INHERITS (stock_ledger);
-- Which entries are old.
CREATE INDEX stock_ledger_by_age ON stock_ledger (at);

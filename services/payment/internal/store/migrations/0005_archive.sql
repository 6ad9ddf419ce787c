-- What is old and finished moves here (ADR 30). A query of bills reads both tables; ONLY bills is the live one.
CREATE TABLE archived_bills    (LIKE bills    INCLUDING ALL) INHERITS (bills);
CREATE TABLE archived_payments (LIKE payments INCLUDING ALL) INHERITS (payments);
CREATE TABLE archived_refunds  (LIKE refunds  INCLUDING ALL) INHERITS (refunds);
-- A dispute may name an archived payment.
ALTER TABLE disputes DROP CONSTRAINT disputes_payment_id_fkey;

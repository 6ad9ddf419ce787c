-- +goose Up
-- What is old and finished moves into archived_…; who asks all_… reads both (ADR 30). No row lies in all_… itself.
CREATE TABLE all_bills (LIKE bills INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE bills INHERIT all_bills;
CREATE TABLE archived_bills (LIKE bills INCLUDING ALL) INHERITS (all_bills);
CREATE TABLE all_payments (LIKE payments INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE payments INHERIT all_payments;
CREATE TABLE archived_payments (LIKE payments INCLUDING ALL) INHERITS (all_payments);
CREATE TABLE all_refunds (LIKE refunds INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE refunds INHERIT all_refunds;
CREATE TABLE archived_refunds (LIKE refunds INCLUDING ALL) INHERITS (all_refunds);
-- A dispute may name an archived payment.
ALTER TABLE disputes DROP CONSTRAINT disputes_payment_id_fkey;

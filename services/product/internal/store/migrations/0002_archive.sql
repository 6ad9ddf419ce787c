-- +goose Up
-- What is old and finished moves into archived_…; who asks all_… reads both (ADR 30). No row lies in all_… itself.
CREATE TABLE all_reservations (LIKE reservations INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE reservations INHERIT all_reservations;
CREATE TABLE archived_reservations (LIKE reservations INCLUDING ALL) INHERITS (all_reservations);
CREATE TABLE all_rejections (LIKE rejections INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE rejections INHERIT all_rejections;
CREATE TABLE archived_rejections (LIKE rejections INCLUDING ALL) INHERITS (all_rejections);
CREATE TABLE all_adjustments (LIKE adjustments INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE adjustments INHERIT all_adjustments;
CREATE TABLE archived_adjustments (LIKE adjustments INCLUDING ALL) INHERITS (all_adjustments);
CREATE TABLE all_stock_ledger (LIKE stock_ledger INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE stock_ledger INHERIT all_stock_ledger;
CREATE TABLE archived_stock_ledger (LIKE stock_ledger INCLUDING ALL) INHERITS (all_stock_ledger);

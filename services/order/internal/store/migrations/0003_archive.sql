-- +goose Up
-- What is old and finished moves into archived_…; who asks all_… reads both (ADR 30). No row lies in all_… itself.
CREATE TABLE all_orders (LIKE orders INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE orders INHERIT all_orders;
CREATE TABLE archived_orders (LIKE orders INCLUDING ALL) INHERITS (all_orders);
CREATE TABLE all_order_lines (LIKE order_lines INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE order_lines INHERIT all_order_lines;
CREATE TABLE archived_order_lines (LIKE order_lines INCLUDING ALL) INHERITS (all_order_lines);
CREATE TABLE all_order_history (LIKE order_history INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE order_history INHERIT all_order_history;
CREATE TABLE archived_order_history (LIKE order_history INCLUDING ALL) INHERITS (all_order_history);
CREATE TABLE all_order_refunds (LIKE order_refunds INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE order_refunds INHERIT all_order_refunds;
CREATE TABLE archived_order_refunds (LIKE order_refunds INCLUDING ALL) INHERITS (all_order_refunds);
CREATE TABLE all_order_ids (LIKE order_ids INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CHECK (false) NO INHERIT);
ALTER TABLE order_ids INHERIT all_order_ids;
CREATE TABLE archived_order_ids (LIKE order_ids INCLUDING ALL) INHERITS (all_order_ids);

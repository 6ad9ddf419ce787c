-- What is old and finished moves here (ADR 30). A query of orders reads both tables; ONLY orders is the live one.
CREATE TABLE archived_orders        (LIKE orders        INCLUDING ALL) INHERITS (orders);
CREATE TABLE archived_order_lines   (LIKE order_lines   INCLUDING ALL) INHERITS (order_lines);
CREATE TABLE archived_order_history (LIKE order_history INCLUDING ALL) INHERITS (order_history);
CREATE TABLE archived_order_refunds (LIKE order_refunds INCLUDING ALL) INHERITS (order_refunds);
CREATE TABLE archived_order_ids     (LIKE order_ids     INCLUDING ALL) INHERITS (order_ids);

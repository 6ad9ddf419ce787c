-- Whoever inserts an id first decides: an order, or the fence of a hold that ran out, after which there never is one. This replaces
-- order_tombstones and an advisory lock. No version that used those was ever released.
CREATE TABLE order_ids (
    order_id bigint  PRIMARY KEY,
    fenced   boolean NOT NULL DEFAULT false
);
INSERT INTO order_ids SELECT id FROM orders;
INSERT INTO order_ids SELECT order_id, true FROM order_tombstones;
DROP TABLE order_tombstones;

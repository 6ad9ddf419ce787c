-- +goose Up
CREATE TABLE orders (
    id             bigint PRIMARY KEY,
    user_id        bigint      NOT NULL,
    status         text        NOT NULL CHECK (status IN ('awaiting_payment', 'paid', 'cancelled', 'refunded')),
    recipient      text        NOT NULL,
    phone          text        NOT NULL,
    street         text        NOT NULL,
    city           text        NOT NULL,
    state          text        NOT NULL,
    country        text        NOT NULL,
    postal_code    text        NOT NULL,
    subtotal       bigint      NOT NULL CHECK (subtotal >= 0),
    shipping       bigint      NOT NULL CHECK (shipping >= 0),
    total          bigint      NOT NULL CHECK (total = subtotal + shipping),
    currency       text        NOT NULL,
    from_cart      boolean     NOT NULL,
    payment_due_at timestamptz NOT NULL,
    cancel_reason  text        NOT NULL DEFAULT '',
    cancelled_by   text        NOT NULL DEFAULT '',
    payment_id     text        NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        bigint      NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX orders_of_user ON orders (user_id, id DESC);
CREATE INDEX orders_due ON orders (payment_due_at) WHERE status = 'awaiting_payment';

CREATE TABLE order_lines (
    order_id   bigint  NOT NULL REFERENCES orders (id),
    position   integer NOT NULL,
    product_id bigint  NOT NULL,
    seller_id  bigint  NOT NULL,
    name       text    NOT NULL,
    price      bigint  NOT NULL CHECK (price >= 0),
    quantity   bigint  NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, position)
);

CREATE TABLE order_history (
    order_id bigint      NOT NULL REFERENCES orders (id),
    position integer     NOT NULL,
    status   text        NOT NULL,
    reason   text        NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (order_id, position)
);

-- One refund is asked for per payment, whatever is delivered how often.
CREATE TABLE order_refunds (
    payment_id text PRIMARY KEY,
    order_id   bigint      NOT NULL REFERENCES orders (id),
    reason     text        NOT NULL,
    at         timestamptz NOT NULL
);

-- Whoever inserts an id first decides: an order, or the fence of a hold that ran out, after which there never is one.
CREATE TABLE order_ids (
    order_id bigint  PRIMARY KEY,
    fenced   boolean NOT NULL DEFAULT false
);

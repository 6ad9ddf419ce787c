-- +goose Up
-- The catalogue. Stock lies in a table of its own: a sale must not move the
-- version (and ETag) of what a seller edits.
CREATE TABLE products (
    id          bigint PRIMARY KEY,
    seller_id   bigint      NOT NULL,
    name        text        NOT NULL,
    description text        NOT NULL,
    category    text        NOT NULL,
    image_url   text        NOT NULL,
    price       bigint      NOT NULL CHECK (price > 0),
    currency    text        NOT NULL,
    version     bigint      NOT NULL,
    search      tsvector    NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    deleted_at  timestamptz
);
CREATE INDEX products_search ON products USING gin (search) WHERE deleted_at IS NULL;
CREATE INDEX products_by_price ON products (price, id) WHERE deleted_at IS NULL;
CREATE INDEX products_by_category ON products (category, price, id) WHERE deleted_at IS NULL;
CREATE INDEX products_by_age ON products (id) WHERE deleted_at IS NULL;

-- One word of a shopper's query: its English stem, or the word itself as a prefix
-- (people search while they type). Words reach this function as letters and digits only.
CREATE FUNCTION search_word(word text) RETURNS tsquery IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
    RETURN plainto_tsquery('pg_catalog.english', word) || to_tsquery('pg_catalog.simple', word || ':*');

-- Stock: the truth that the gate in Redis stands in front of.
CREATE TABLE stock (
    product_id    bigint PRIMARY KEY REFERENCES products (id),
    on_hand       bigint NOT NULL,
    reserved      bigint NOT NULL,
    stock_version bigint NOT NULL,
    CONSTRAINT stock_reserved_within_on_hand CHECK (0 <= reserved AND reserved <= on_hand)
) WITH (fillfactor = 70); -- room for updates in place: this is the row every sale writes

CREATE TABLE reservations (
    order_id   bigint      NOT NULL,
    product_id bigint      NOT NULL,
    quantity   bigint      NOT NULL CHECK (quantity > 0),
    state      text        NOT NULL CHECK (state IN ('reserved', 'deducted', 'released')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, product_id)
);
CREATE INDEX reservations_open ON reservations (product_id) WHERE state = 'reserved';

-- Orders whose stock was not there. What happens to them later leaves stock alone.
CREATE TABLE rejections (
    order_id    bigint PRIMARY KEY,
    shortages   jsonb       NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now()
);

-- Changes by hand, under an id chosen before, so that a repeat changes nothing.
CREATE TABLE adjustments (
    id         bigint PRIMARY KEY,
    product_id bigint      NOT NULL,
    delta      bigint      NOT NULL,
    reason     text        NOT NULL,
    actor      bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Every change of stock there ever was: Σ on_hand_delta = on_hand, Σ reserved_delta = reserved.
CREATE TABLE stock_ledger (
    product_id     bigint      NOT NULL,
    stock_version  bigint      NOT NULL, -- the version the change made
    kind           text        NOT NULL CHECK (kind IN ('initial', 'adjust', 'reserve', 'deduct', 'release')),
    on_hand_delta  bigint      NOT NULL,
    reserved_delta bigint      NOT NULL,
    on_hand        bigint      NOT NULL, -- afterwards
    reserved       bigint      NOT NULL,
    order_id       bigint,
    adjustment_id  bigint,
    actor          bigint,
    reason         text        NOT NULL DEFAULT '',
    at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (product_id, stock_version)
);

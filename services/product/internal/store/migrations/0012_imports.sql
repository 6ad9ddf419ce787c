-- +goose Up
-- Sellers' files of products on their way into the catalogue. A seller has one at a time.
CREATE TABLE imports (
    id              bigint PRIMARY KEY,
    seller_id       bigint      NOT NULL,
    format          text        NOT NULL,
    dry_run         boolean     NOT NULL,
    currency        text        NOT NULL,
    ignored_columns jsonb       NOT NULL,
    total           bigint      NOT NULL DEFAULT 0,
    created         bigint      NOT NULL DEFAULT 0,
    updated         bigint      NOT NULL DEFAULT 0,
    unchanged       bigint      NOT NULL DEFAULT 0,
    refused         bigint      NOT NULL DEFAULT 0,
    done_line       bigint      NOT NULL DEFAULT 0, -- rows up to this line have their outcome
    created_at      timestamptz NOT NULL DEFAULT now(),
    worked_at       timestamptz NOT NULL DEFAULT now(), -- the one that has waited longest is next
    finished_at     timestamptz
);
CREATE UNIQUE INDEX imports_running ON imports (seller_id) WHERE finished_at IS NULL;
CREATE INDEX imports_by_age ON imports (created_at);

-- A row is a product of the file. Its params are removed when it has its outcome.
CREATE TABLE import_rows (
    import_id  bigint NOT NULL REFERENCES imports (id),
    line       bigint NOT NULL,
    sku        text   NOT NULL,
    params     text,
    outcome    text CHECK (outcome IN ('created', 'updated', 'unchanged', 'refused')),
    problems   jsonb,
    product_id bigint,
    PRIMARY KEY (import_id, line)
);

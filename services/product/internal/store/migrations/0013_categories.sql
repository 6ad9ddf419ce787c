-- +goose Up
-- Every writing of a category that sellers use, with what it is found by: its levels in lower case, each with a slash
-- behind it, so that a category and all below it are one range. Services write it; what one of an earlier version
-- leaves out, a worker adds.
CREATE TABLE categories (
    category text PRIMARY KEY,
    key      text COLLATE "C" NOT NULL
);
CREATE INDEX categories_by_key ON categories (key);

-- How many products that were not removed each seller has in each writing. A trigger counts, so that a service of an
-- earlier version counts too. Rows of different sellers do not wait for each other.
CREATE TABLE category_counts (
    category  text   NOT NULL,
    seller_id bigint NOT NULL,
    products  bigint NOT NULL,
    PRIMARY KEY (category, seller_id)
);

-- +goose StatementBegin
CREATE FUNCTION count_categories() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- in one order, so that two statements do not deadlock
    IF TG_OP = 'INSERT' THEN
        INSERT INTO category_counts AS c (category, seller_id, products)
            SELECT category, seller_id, count(*) FROM rows_after WHERE deleted_at IS NULL AND category <> ''
            GROUP BY 1, 2 ORDER BY 1, 2
            ON CONFLICT (category, seller_id) DO UPDATE SET products = c.products + excluded.products;
    ELSE
        INSERT INTO category_counts AS c (category, seller_id, products)
            SELECT category, seller_id, sum(n) FROM (
                SELECT category, seller_id, 1 AS n FROM rows_after WHERE deleted_at IS NULL
                UNION ALL SELECT category, seller_id, -1 FROM rows_before WHERE deleted_at IS NULL) changes
            WHERE category <> '' GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2
            ON CONFLICT (category, seller_id) DO UPDATE SET products = c.products + excluded.products;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Nobody may write products between counting and the trigger.
LOCK TABLE products IN SHARE ROW EXCLUSIVE MODE;
CREATE TRIGGER count_categories_of_new AFTER INSERT ON products
    REFERENCING NEW TABLE AS rows_after FOR EACH STATEMENT EXECUTE FUNCTION count_categories();
CREATE TRIGGER count_categories_of_changed AFTER UPDATE ON products
    REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_after FOR EACH STATEMENT EXECUTE FUNCTION count_categories();
INSERT INTO category_counts SELECT category, seller_id, count(*) FROM products
    WHERE deleted_at IS NULL AND category <> '' GROUP BY 1, 2;

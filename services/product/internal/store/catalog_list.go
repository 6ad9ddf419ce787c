package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/tokenizer"
)

// where collects conditions and their arguments.
type where struct {
	conds []string
	args  []any
}

func (w *where) and(cond string, args ...any) {
	w.conds = append(w.conds, cond)
	w.args = append(w.args, args...)
}

func (w *where) sql() string { return strings.Join(w.conds, " AND ") }

// Search lists products for sale. Pages continue after the last row's key, so they neither repeat nor skip a product
// when others come and go.
func (s *Store) Search(ctx context.Context, q catalog.Query) (catalog.Page, error) {
	filter, tsquery, none := filters(q)
	if none {
		return catalog.Page{}, nil
	}
	if q.Category != "" {
		if known, err := s.inCategory(ctx, q.Category, &filter); err != nil || !known {
			return catalog.Page{}, err
		}
	}
	rows, err := s.page(ctx, q, filter, tsquery)
	if err != nil {
		return catalog.Page{}, fmt.Errorf("search products: %w", err)
	}
	var page catalog.Page
	if len(rows) > q.PageSize {
		rows = rows[:q.PageSize]
		last := rows[len(rows)-1]
		page.Next = &catalog.Cursor{Rank: last.Rank, Price: last.Price, ID: formatID(last.ID)}
	}
	for _, r := range rows {
		page.Items = append(page.Items, r.view())
	}
	n := int64(0)
	switch {
	case len(rows) > 0:
		n = rows[0].Total
	case q.After != nil: // what was behind this place has gone meanwhile
		if err := postgres.DB(ctx, s.db).Raw("SELECT "+count(filter), filter.args...).Scan(&n).Error; err != nil {
			return catalog.Page{}, fmt.Errorf("count products: %w", err)
		}
	}
	page.Total, page.Capped = int(min(n, catalog.TotalCap)), n > catalog.TotalCap
	return page, nil
}

// count returns how many products a filter finds, up to one more than is shown.
func count(filter where) string {
	return fmt.Sprintf(
		"(SELECT count(*) FROM (SELECT 1 FROM products p WHERE %s LIMIT %d) counted)", filter.sql(), catalog.TotalCap+1,
	)
}

// tsquery is a search expression with its arguments.
type tsquery struct {
	sql  string
	args []any
}

// filters returns the conditions of a query. A query of punctuation alone finds nothing.
func filters(q catalog.Query) (w where, t tsquery, none bool) {
	// NOT IN and not NOT EXISTS: the few sellers are read once, and the order of the products still comes from an index.
	w.and("p.deleted_at IS NULL AND p.seller_id NOT IN (SELECT seller_id FROM closed_sellers)")
	if q.MinPrice != nil {
		w.and("p.price >= ?", *q.MinPrice)
	}
	if q.MaxPrice != nil {
		w.and("p.price <= ?", *q.MaxPrice)
	}
	if q.Words == "" {
		return w, t, false
	}
	var parts []string
	for _, term := range tokenizer.Query(q.Words) {
		if term.Stem == "" {
			parts, t.args = append(parts, "?::tsquery"), append(t.args, term.Query)
		} else {
			parts = append(parts, "(plainto_tsquery('pg_catalog.english', ?) || ?::tsquery)")
			t.args = append(t.args, term.Stem, term.Query)
		}
	}
	t.sql = "(" + strings.Join(parts, " && ") + ")"
	if len(parts) == 0 {
		return w, t, true
	}
	w.and("p.search @@ "+t.sql, t.args...)
	return w, t, false
}

// page reads one row more than asked for, to know whether there is another page. Stock is joined to the rows of the
// page only; the total comes along, which saves a round trip. The limit is text, not an argument: with an argument
// PostgreSQL would plan every time, which costs more than the query.
func (s *Store) page(ctx context.Context, q catalog.Query, filter where, t tsquery) ([]row, error) {
	rank, args := "0::float8", []any(nil)
	if q.Sort == catalog.Relevance {
		rank, args = "ts_rank(p.search, "+t.sql+")::float8", append(args, t.args...)
	}
	inner := "SELECT " + listColumns + ", " + rank + " AS rank FROM products p WHERE " + filter.sql()
	args = append(args, filter.args...)
	var order string
	after := where{conds: []string{"true"}}
	id := int64(0)
	if q.After != nil {
		var err error
		if id, err = parseID(q.After.ID); err != nil {
			return nil, err
		}
	}
	switch q.Sort {
	case catalog.Relevance:
		order = "rank DESC, id DESC"
		if q.After != nil {
			after.and("(rank, id) < (?::float8, ?::bigint)", q.After.Rank, id)
		}
	case catalog.PriceUp:
		order = "price, id"
		if q.After != nil {
			after.and("(price, id) > (?::bigint, ?::bigint)", q.After.Price, id)
		}
	case catalog.PriceDown:
		order = "price DESC, id DESC"
		if q.After != nil {
			after.and("(price, id) < (?::bigint, ?::bigint)", q.After.Price, id)
		}
	default: // ids grow with time
		order = "id DESC"
		if q.After != nil {
			after.and("id < ?::bigint", id)
		}
	}
	sql := "SELECT m.*, s.on_hand - s.reserved AS available, NOT s.tracked AS untracked, " + count(filter) + " AS total" +
		" FROM (SELECT * FROM (" + inner + ") f WHERE " + after.sql() +
		" ORDER BY " + order + " LIMIT " + strconv.Itoa(q.PageSize+1) + ") m" +
		" JOIN stock s ON s.product_id = m.id ORDER BY " + order
	args = append(append(slices.Clone(filter.args), args...), after.args...)
	var rows []row
	err := postgres.DB(ctx, s.db).Raw(sql, args...).Scan(&rows).Error
	return rows, err
}

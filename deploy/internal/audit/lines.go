package audit

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strconv"
)

// line is a row that a query has put into one text, separated by spaces. Hundreds of thousands of rows are read;
// scanning them column by column would take most of an audit.
type line struct {
	rest  []byte
	words map[string]string // the few words there are, each kept once
	err   error
}

func (l *line) next() []byte {
	field, rest, _ := bytes.Cut(l.rest, []byte{' '})
	l.rest = rest
	return field
}

func (l *line) int() int64 {
	field := l.next()
	n, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("%q is not a number", field)
	}
	return n
}

// seconds reads an age.
func (l *line) seconds() float64 { return float64(l.int()) }

func (l *line) bool() bool { return string(l.next()) == "t" }

// text reads something that every row may have differently.
func (l *line) text() string { return string(l.next()) }

// word reads one of few: a status, a currency.
func (l *line) word() string {
	field := l.next()
	if w, ok := l.words[string(field)]; ok {
		return w
	}
	w := string(field)
	l.words[w] = w
	return w
}

// lines runs a query whose rows are single texts without spaces in their fields.
func (r *serviceDB) lines(ctx context.Context, query string, read func(l *line)) error {
	l := &line{words: map[string]string{}}
	var raw sql.RawBytes
	return r.each(ctx, query, nil, func(rows *sql.Rows) error {
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		l.rest = raw
		read(l)
		return l.err
	})
}

// age is a column's age in whole seconds, as SQL. now() is the beginning of the snapshot.
func age(column string) string { return "date_part('epoch', now() - " + column + ")::bigint" }

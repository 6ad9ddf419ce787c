package postgrestest

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Rows is how large a test makes the tables of finished things: 50,000, or MALL_TEST_ROWS.
func Rows(t testing.TB) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("MALL_TEST_ROWS"))
	if err != nil || n < 1 {
		return 50_000
	}
	return n
}

// Watched is a database whose statements are remembered.
type Watched struct {
	DB *gorm.DB // what runs through it is seen

	mu         sync.Mutex
	statements map[string]string // a statement with values, by itself without
	runs       int
	ran        *sync.Cond
}

// Watch returns a database like db that remembers the statements of a service, to look at their plans.
func Watch(db *gorm.DB) *Watched {
	w := &Watched{statements: map[string]string{}}
	w.ran = sync.NewCond(&w.mu)
	w.DB = db.Session(&gorm.Session{NewDB: true, Logger: tracer{w}})
	return w
}

type tracer struct{ w *Watched }

func (r tracer) LogMode(logger.LogLevel) logger.Interface    { return r }
func (tracer) Info(context.Context, string, ...interface{})  {}
func (tracer) Warn(context.Context, string, ...interface{})  {}
func (tracer) Error(context.Context, string, ...interface{}) {}
func (r tracer) Trace(_ context.Context, _ time.Time, said func() (string, int64), _ error) {
	sql, _ := said()
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.runs++
	r.w.ran.Broadcast()
	r.w.statements[shape.ReplaceAllString(sql, "?")] = sql
}

// shape is what differs between two runs of one statement.
var shape = regexp.MustCompile(`'[^']*'|\b\d+\b`)

// WholeTables returns the statements seen that read all of one of these tables, with its name: what a service does for
// a request or again and again must not. Fill the tables and ANALYZE first: a small one PostgreSQL reads whole.
func (w *Watched) WholeTables(t testing.TB, tables ...string) (found []string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.statements) == 0 {
		t.Fatal("no statement was seen")
	}
	plain := w.DB.Session(&gorm.Session{NewDB: true, Logger: logger.Discard})
	for _, sql := range w.statements {
		var text []string
		if err := plain.Raw("EXPLAIN (FORMAT JSON) " + strings.ReplaceAll(sql, "?", "??")).Scan(&text).Error; err != nil {
			continue // SET, LOCK and their like have no plan
		}
		var top []struct{ Plan node }
		if err := json.Unmarshal([]byte(strings.Join(text, "\n")), &top); err != nil || len(top) != 1 {
			t.Fatalf("read the plan of %s: %v", sql, err)
		}
		whole := wholeTables(top[0].Plan, false)
		for _, table := range tables {
			if slices.Contains(whole, table) {
				found = append(found, table+": "+sql)
			}
		}
	}
	return found
}

// wholeTables returns the tables that a plan reads from end to end.
func wholeTables(n node, limited bool) (tables []string) {
	if n.Kind == "Seq Scan" && !limited {
		tables = append(tables, n.Table)
	}
	for _, below := range n.Plans {
		tables = append(tables, wholeTables(below, n.Kind == "Limit")...)
	}
	return tables
}

// Runs says how many statements were run, BEGIN and COMMIT apart.
func (w *Watched) Runs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs
}

// Await waits until so many statements were run.
func (w *Watched) Await(runs int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.runs < runs {
		w.ran.Wait()
	}
}

// Seen says how many different statements were seen.
func (w *Watched) Seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.statements)
}

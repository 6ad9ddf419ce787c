package postgrestest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
)

// Plan is how PostgreSQL ran a statement.
type Plan struct {
	Scans []string // what was read and how: "Index Scan inbox", in the order of their names
	Rows  float64  // how many rows were read in all
}

// Explain runs a statement as its service does, with a plan for any arguments, and takes it back. Fill the tables
// first: of a small one PostgreSQL reads all.
func Explain(t testing.TB, db *gorm.DB, statement string, args ...any) Plan {
	t.Helper()
	prepared, values := statement, make([]string, len(args))
	for i, arg := range args {
		prepared = strings.Replace(prepared, "?", fmt.Sprintf("$%d", i+1), 1)
		values[i] = "'" + strings.ReplaceAll(fmt.Sprint(arg), "'", "''") + "'"
	}
	execute := "explained"
	if len(args) > 0 {
		execute += "(" + strings.Join(values, ", ") + ")"
	}
	tx := db.Begin()
	defer tx.Rollback()
	var text []string
	err := errors.Join(tx.Exec("SET LOCAL plan_cache_mode = force_generic_plan").Error,
		tx.Exec("PREPARE explained AS "+prepared).Error)
	if err == nil {
		err = tx.Raw("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE " + execute).Scan(&text).Error
	}
	if err = errors.Join(err, tx.Exec("DEALLOCATE explained").Error); err != nil {
		t.Fatalf("explain: %v\n%s", err, statement)
	}
	var top []struct{ Plan node }
	if err := json.Unmarshal([]byte(strings.Join(text, "\n")), &top); err != nil || len(top) != 1 {
		t.Fatalf("read the plan: %v\n%s", err, text)
	}
	var p Plan
	p.add(top[0].Plan)
	slices.Sort(p.Scans)
	return p
}

type node struct {
	Kind    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Rows    float64 `json:"Actual Rows"`
	Removed float64 `json:"Rows Removed by Filter"`
	Loops   float64 `json:"Actual Loops"`
	Plans   []node
}

func (p *Plan) add(n node) {
	if strings.HasSuffix(n.Kind, "Scan") && n.Table != "" {
		p.Scans = append(p.Scans, n.Kind+" "+n.Table)
		p.Rows += (n.Rows + n.Removed) * n.Loops
	}
	for _, below := range n.Plans {
		p.add(below)
	}
}

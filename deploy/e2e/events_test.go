//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pb33f/jsonschema/v6"
)

// misfits holds every event that the suite made the rooms tell to its JSON Schema, as a consumer in another language would. Sixteen
// are enough to see what is wrong. Few is a mistake, too: the suite places, pays and cancels orders.
func misfits(ctx context.Context) []string {
	raw, err := os.ReadFile(home("run", "state.json"))
	if err != nil {
		return []string{err.Error()}
	}
	var at place
	if err := json.Unmarshal(raw, &at); err != nil {
		return []string{err.Error()}
	}
	schemas, err := eventSchemas()
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	told := map[string]int{}
	for _, room := range []string{"order", "payment", "product", "user"} {
		events, err := outbox(ctx, at.Databases[room])
		if err != nil {
			return append(found, fmt.Sprintf("events of %s: %v", room, err))
		}
		for _, text := range events {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				found = append(found, fmt.Sprintf("%v: %s", err, text))
				continue
			}
			fields, _ := value.(map[string]any)
			name, _ := fields["type"].(string)
			told[name]++
			if schemas[name] == nil {
				found = append(found, fmt.Sprintf("%s has no schema: %s", name, text))
			} else if err := schemas[name].Validate(value); err != nil && len(found) < 16 {
				found = append(found, fmt.Sprintf("%v: %s", err, text))
			}
		}
	}
	if len(told) < 2 {
		found = append(found, fmt.Sprintf("events told: %v; there must be more", told))
	}
	return found
}

func eventSchemas() (map[string]*jsonschema.Schema, error) {
	files, err := filepath.Glob(filepath.Join(root(), "services", "contracts", "*", "schema", "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no schemas of events: %w", err)
	}
	schemas := map[string]*jsonschema.Schema{}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, file := range files {
		base := filepath.Base(file)
		if schemas[base[:len(base)-len(".json")]], err = compiler.Compile(file); err != nil {
			return nil, err
		}
	}
	return schemas, nil
}

func outbox(ctx context.Context, dsn string) (events [][]byte, err error) {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	rows, err := db.QueryContext(ctx, "SELECT payload FROM outbox")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err is asked below
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		events = append(events, text)
	}
	return events, rows.Err()
}

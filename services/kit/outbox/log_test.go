package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/telemetry"
)

// A change of state is logged as one line with its trace, and only after it has committed.
func TestAChangeIsLoggedOnceItHasCommitted(t *testing.T) {
	o, db, _ := open(t)
	var lines bytes.Buffer
	o.log = telemetry.Logger(&lines, "order", "order-2", slog.LevelInfo)
	undone := errors.New("undone")
	trace := telemetry.NewTrace()
	for _, outcome := range []error{undone, nil} {
		err := postgres.InTx(telemetry.WithTrace(t.Context(), trace), db, func(ctx context.Context, _ *gorm.DB) error {
			if err := o.Add(ctx, event(1)); err != nil {
				return err
			}
			o.LogChange(ctx, "order.refunded", "k", "version", 2)
			if lines.Len() > 0 {
				t.Error("logged before the commit")
			}
			return outcome
		})
		if !errors.Is(err, outcome) {
			t.Fatal(err)
		}
	}
	var changes []string
	for line := range strings.Lines(lines.String()) {
		var l struct {
			Msg, Change, Subject, Instance string
			Trace                          string `json:"trace_id"`
			Version                        int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if l.Msg != "state changed" || l.Subject != "k" || l.Instance != "order-2" || l.Trace != trace.ID || l.Version < 1 {
			t.Errorf("line %s", line)
		}
		changes = append(changes, l.Change)
	}
	if got, want := strings.Join(changes, " "), event(1).Type+" order.refunded"; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
}

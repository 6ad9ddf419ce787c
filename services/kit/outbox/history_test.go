package outbox

import (
	"fmt"
	"testing"

	"daprmall.dev/services/kit/telemetry"
)

// The history of an aggregate has its events alone, in the order in which they were written, each with its trace.
func TestTheHistoryOfAnAggregateHasItsEvents(t *testing.T) {
	o, _, _ := open(t)
	traces := []telemetry.Trace{telemetry.NewTrace(), telemetry.NewTrace()}
	for i, trace := range traces {
		for _, key := range []string{"7", "8"} {
			if err := o.Add(telemetry.WithTrace(t.Context(), trace), Event{Topic: "t", Type: fmt.Sprint("changed.", key),
				Key: key, Version: int64(i + 1), Data: struct{}{}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, published := range []bool{false, true} {
		written, err := o.History(t.Context(), "t", "7")
		if err != nil || len(written) != len(traces) {
			t.Fatalf("%+v, %v; want %d events", written, err, len(traces))
		}
		for i, w := range written {
			if w.ID == "" || w.Type != "changed.7" || w.Version != int64(i+1) || w.TraceID != traces[i].ID ||
				w.CreatedAt.IsZero() || (w.PublishedAt != nil) != published {
				t.Errorf("published %v: event %d is %+v", published, i, w)
			}
		}
		publish(t, o)
	}
	if other, err := o.History(t.Context(), "u", "7"); err != nil || len(other) > 0 {
		t.Errorf("of another topic: %+v, %v", other, err)
	}
}

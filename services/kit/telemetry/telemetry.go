// Package telemetry gives every process the same log lines, trace ids and metrics.
package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"strings"
)

type traceKey struct{}

// Trace is the W3C trace context of a request (https://www.w3.org/TR/trace-context/).
type Trace struct {
	ID     string // 32 hex digits
	Parent string // 16 hex digits
}

// NewTrace starts a trace.
func NewTrace() Trace { return Trace{ID: random(16), Parent: random(8)} }

// ParseTrace reads a traceparent header; a malformed one starts a new trace.
func ParseTrace(header string) Trace {
	parts := strings.Split(header, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || len(parts[2]) != 16 || !isHex(parts[1]) || !isHex(parts[2]) ||
		strings.Trim(parts[1], "0") == "" {
		return NewTrace()
	}
	return Trace{ID: parts[1], Parent: parts[2]}
}

// Header returns the traceparent header of t.
func (t Trace) Header() string { return "00-" + t.ID + "-" + t.Parent + "-00" }

// WithTrace puts t into ctx.
func WithTrace(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf returns the trace of ctx; a zero Trace if there is none.
func TraceOf(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey{}).(Trace)
	return t
}

type tracesKey struct{}

// WithTraces puts the traces of events that are handled together into ctx, by the key of each.
func WithTraces(ctx context.Context, byKey map[string]Trace) context.Context {
	return context.WithValue(ctx, tracesKey{}, byKey)
}

// TraceFor returns the trace for key: that of WithTraces, or else that of ctx.
func TraceFor(ctx context.Context, key string) Trace {
	byKey, _ := ctx.Value(tracesKey{}).(map[string]Trace)
	if t, ok := byKey[key]; ok {
		return t
	}
	return TraceOf(ctx)
}

// Logger writes JSON lines with the app's id, the replica's name and, when logged with a context, its trace id.
func Logger(w io.Writer, appID, instance string, level slog.Level) *slog.Logger {
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	return slog.New(traced{h}).With("app", appID, "instance", instance)
}

type traced struct{ slog.Handler }

func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if id := TraceOf(ctx).ID; id != "" {
		r.AddAttrs(slog.String("trace_id", id))
	}
	return t.Handler.Handle(ctx, r)
}

func (t traced) WithAttrs(as []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(as)} }
func (t traced) WithGroup(name string) slog.Handler    { return traced{t.Handler.WithGroup(name)} }

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand since Go 1.24)
	return hex.EncodeToString(b)
}

func isHex(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

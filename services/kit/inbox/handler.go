package inbox

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/telemetry"
)

// handler handles events of one type, several at once.
type handler struct {
	eventType, source string
	call              func(ctx context.Context, events []outbox.CloudEvent) error
	detached          bool
}

// On adds a handler for events of a type that the app source publishes. It runs in a transaction with the inbox row
// (postgres.InTx joins it), often together with other events: its effect happens once, and it may be called again after
// the transaction failed. It must not sleep, retry or call over the network.
func On[T any](in *Inbox, source, eventType string, h func(ctx context.Context, e T) error) {
	in.handlers = append(in.handlers, handler{eventType: eventType, source: source, call: oneByOne(h)})
}

// OnAll is On for a handler that takes all events of its type that share a transaction at once, in their order. What it
// publishes for a key continues the trace of the event with that key.
func OnAll[T any](in *Inbox, source, eventType string, h func(ctx context.Context, events []T) error) {
	in.handlers = append(in.handlers, handler{eventType: eventType, source: source,
		call: func(ctx context.Context, events []outbox.CloudEvent) error {
			ctx = tracedAll(ctx, events)
			values := make([]T, len(events))
			for i, e := range events {
				if err := read(e, &values[i]); err != nil {
					return err
				}
			}
			return h(ctx, values)
		}})
}

// OnDetached is On for a handler that must not run in the inbox's transaction: its effect is outside the database, or
// it locks rows that no key of the batch names. The handler runs first and must be idempotent by itself; then its event
// is recorded.
func OnDetached[T any](in *Inbox, source, eventType string, h func(ctx context.Context, e T) error) {
	in.handlers = append(in.handlers, handler{eventType: eventType, source: source, call: oneByOne(h), detached: true})
}

// LockFirst sets the function that locks the rows of a batch with events of several types, in one order, before the
// first handler runs. Only handlers that lock rows not named by the events' keys need it: the inbox locks the keys
// itself (ADR 15). lock ignores an event that it cannot read; the event's handler returns the error.
func (in *Inbox) LockFirst(lock func(ctx context.Context, events []outbox.CloudEvent) error) {
	in.lockFirst = lock
}

// oneByOne calls h for one event after the other, in the order of their keys, so that two replicas that lock what the
// keys name cannot deadlock. Events of one key keep their order.
func oneByOne[T any](h func(ctx context.Context, e T) error) func(context.Context, []outbox.CloudEvent) error {
	return func(ctx context.Context, events []outbox.CloudEvent) error {
		events = slices.Clone(events)
		slices.SortStableFunc(events, func(a, b outbox.CloudEvent) int { return cmp.Compare(a.Subject, b.Subject) })
		for _, e := range events {
			var v T
			if err := read(e, &v); err != nil {
				return err
			}
			if err := h(traced(ctx, e), v); err != nil {
				return err
			}
		}
		return nil
	}
}

func read(e outbox.CloudEvent, into any) error {
	if err := json.Unmarshal(e.Data, into); err != nil { // unknown fields are fine: a producer may be newer
		return fmt.Errorf("read event: %w", err)
	}
	return nil
}

// traced continues the trace of the request that made the event.
func traced(ctx context.Context, e outbox.CloudEvent) context.Context {
	if e.TraceParent == "" {
		return ctx
	}
	return telemetry.WithTrace(ctx, telemetry.ParseTrace(e.TraceParent))
}

func tracedAll(ctx context.Context, events []outbox.CloudEvent) context.Context {
	if len(events) == 1 {
		return traced(ctx, events[0])
	}
	byKey := make(map[string]telemetry.Trace, len(events))
	for _, e := range events {
		if e.TraceParent != "" {
			byKey[e.Subject] = telemetry.ParseTrace(e.TraceParent)
		}
	}
	return telemetry.WithTraces(ctx, byKey)
}

func (in *Inbox) handler(eventType string) (handler, bool) {
	i := slices.IndexFunc(in.handlers, func(h handler) bool { return h.eventType == eventType })
	if i < 0 {
		return handler{}, false
	}
	return in.handlers[i], true
}

// guarded turns a handler's panic into an error: the event is parked, the process lives on.
func (h handler) guarded(ctx context.Context, events ...outbox.CloudEvent) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return h.call(ctx, events)
}

// Package gate is the stock gate in Redis: Lua scripts, each of them atomic, decide whether stock can be held for an
// order.
//
// For each product the gate keeps a base (on_hand − reserved of the ledger) with its version, and the open holds:
// available = base − Σ holds. PostgreSQL is the source of truth: the gate may be lost at any moment, and apply rebuilds
// it.
//
// All keys share the hash tag {mall}, so the scripts work on Redis Cluster. Each script in scripts/ begins with its
// keys, its arguments and what it guarantees.
package gate

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/redis/go-redis/v9"
)

// ErrInvalid marks input that is malformed: repeating it is useless.
var ErrInvalid = errors.New("invalid input")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

const (
	prefixProduct = "mall:{mall}:product:"
	prefixOrder   = "mall:{mall}:order:"
	prefixShopper = "mall:{mall}:shopper:" // then the shopper's id, ":" and a product's
	prefixLock    = "mall:{mall}:lock:"
	prefixLimit   = "mall:{mall}:limit:"
	keyDue        = "mall:{mall}:due"
	keyOpen       = "mall:{mall}:open"
)

//go:embed scripts/*.lua
var sources embed.FS

// script loads an embedded file. go-redis runs it by EVALSHA, and by EVAL if Redis does not have it in its cache.
func script(name string) *redis.Script {
	src, err := sources.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // the files are embedded, and a test loads every one
	}
	return redis.NewScript(string(src))
}

// Gate runs operations on one Redis, a single node or a cluster.
type Gate struct {
	rdb                                              redis.UniversalClient
	hold, unhold, apply, due, extend, lock, limitLua *redis.Script
	attempt, settle                                  *redis.Script
}

// New returns a gate that uses this client. The caller closes the client.
func New(rdb redis.UniversalClient) *Gate {
	return &Gate{
		rdb:  rdb,
		hold: script("hold"), unhold: script("unhold"), apply: script("apply"), due: script("due"),
		extend: script("extend"), lock: script("lock"), limitLua: script("limit"),
		attempt: script("attempt"), settle: script("settle"),
	}
}

// operation takes its input as JSON and returns a value to encode as JSON.
type operation func(g *Gate, ctx context.Context, data []byte) (any, error)

func operations() map[string]operation {
	return map[string]operation{
		"hold":      typed((*Gate).Hold),
		"hold_many": typed((*Gate).HoldMany),
		"unhold":    typed((*Gate).Unhold),
		"apply":     typed((*Gate).Apply),
		"due":       typed((*Gate).Due),
		"holds":     typed((*Gate).Holds),
		"extend":    typed((*Gate).Extend),
		"held":      typed((*Gate).Held),
		"inspect":   typed((*Gate).Inspect),
		"run_id":    typed((*Gate).RunID),
		"lock":      typed((*Gate).Lock),
		"limit":     typed((*Gate).Limit),
		"attempt":   typed((*Gate).Attempt),
		"settle":    typed((*Gate).Settle),
	}
}

// Operations lists the names that Do accepts.
func Operations() []string {
	var names []string
	for name := range operations() {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Do decodes, checks and runs one operation. Malformed input gives ErrInvalid and changes nothing.
func (g *Gate) Do(ctx context.Context, name string, data []byte) ([]byte, error) {
	op, ok := operations()[name]
	if !ok {
		return nil, invalid("operation %q", name)
	}
	out, err := op(g, ctx, data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// checked is an input that can validate itself.
type checked interface{ check() error }

// typed adds strict decoding to an operation: no unknown fields, no wrong types, nothing after the object.
func typed[In checked, Out any](run func(*Gate, context.Context, In) (Out, error)) operation {
	return func(g *Gate, ctx context.Context, data []byte) (any, error) {
		var in In
		if len(bytes.TrimSpace(data)) == 0 {
			data = []byte("{}")
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return nil, invalid("%v", err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return nil, invalid("data after the object")
		}
		if err := in.check(); err != nil {
			return nil, err
		}
		return run(g, ctx, in)
	}
}

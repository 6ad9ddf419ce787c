package inventorytest

import (
	"testing"
	"time"
)

func TestTheFakeGate(t *testing.T) {
	GateSuite(t, func(*testing.T) Bench {
		g := NewGate()
		return Bench{Gate: g, Other: g.Other(), Pass: func() { g.Pass(2 * time.Millisecond) }}
	})
}

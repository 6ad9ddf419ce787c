package gate

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"daprmall.dev/redislua/internal/redistest"
)

var slowly = Buckets{Address: Bucket{0.001, 1000}, Account: Bucket{0.001, 3}, Place: Bucket{0.001, 2}}

func try(t *testing.T, g *Gate, account, address, device string) (AttemptIn, AttemptOut) {
	t.Helper()
	in := AttemptIn{Account: account, Address: address, Device: device, Buckets: slowly}
	out, err := g.Attempt(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}

func settle(t *testing.T, g *Gate, in AttemptIn, out AttemptOut, signedIn bool) {
	t.Helper()
	if _, err := g.Settle(t.Context(), SettleIn{in, out.Place, out.Known, signedIn}); err != nil {
		t.Fatal(err)
	}
}

// Guessing is limited per place and over all unknown places; owners can still sign in from places where they signed in
// before.
func TestFailuresCountAndTheOwnerGetsIn(t *testing.T) {
	g := New(redistest.Open(t))
	in, out := try(t, g, "wei", "home", "phone")
	settle(t, g, in, out, true)
	for i := range 10 { // an attack from ten addresses
		if _, out := try(t, g, "wei", fmt.Sprint("bot", i), ""); out.Allowed != (i < 3) || out.Known {
			t.Errorf("bot %d: %+v, want three tries for all unknown places", i, out)
		}
	}
	if _, out := try(t, g, "wei", "cafe", ""); out.Allowed || out.RetryAfterMS < 1 {
		t.Errorf("unknown place: %+v, want it to wait", out)
	}
	for range 10 { // correct passwords use nothing up
		in, out := try(t, g, "wei", "home", "")
		if !out.Allowed || !out.Known || out.Place != "a:home" {
			t.Fatalf("from home: %+v, want in", out)
		}
		settle(t, g, in, out, true)
		if in, out = try(t, g, "wei", "cafe", "phone"); !out.Allowed || out.Place != "d:phone" {
			t.Fatalf("with the phone, from anywhere: %+v, want in", out)
		}
		settle(t, g, in, out, false)
	}
	for i := range 3 { // somebody else behind the same address fails; the phone has its own bucket
		if _, out := try(t, g, "wei", "home", ""); out.Allowed != (i < 2) {
			t.Errorf("wrong at home, try %d: %+v", i, out)
		}
	}
	if _, out := try(t, g, "wei", "home", "phone"); !out.Allowed {
		t.Errorf("with the phone at home: %+v, want in", out)
	}
	if _, out := try(t, g, "li", "home", "phone"); !out.Allowed || out.Known {
		t.Errorf("another account: %+v, want it unknown, and let in", out)
	}
}

// Concurrent attempts are counted before any of them is answered.
func TestTriesAtOnceAreCounted(t *testing.T) {
	g := New(redistest.OpenCluster(t))
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			out, err := g.Attempt(t.Context(), AttemptIn{Account: "wei", Address: "bot", Buckets: slowly})
			if err != nil {
				t.Error(err)
			}
			if out.Allowed {
				allowed.Add(1)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 2 {
		t.Errorf("%d tries at once, want 2", allowed.Load())
	}
}

func TestAnAccountRemembersItsLastPlaces(t *testing.T) {
	rdb := redistest.Open(t)
	g := New(rdb)
	for i := range 50 {
		in := AttemptIn{Account: "wei", Address: fmt.Sprint("place", i), Buckets: slowly}
		settle(t, g, in, AttemptOut{Place: in.addressPlace()}, true)
	}
	n, err := rdb.ZCard(t.Context(), AttemptIn{Account: "wei"}.knownKey()).Result()
	ttl, ttlErr := rdb.TTL(t.Context(), AttemptIn{Account: "wei"}.knownKey()).Result()
	if err != nil || n != rememberedPlaces || ttlErr != nil || ttl <= 0 {
		t.Errorf("%d places for %s, %v %v; want %d for a while", n, ttl, err, ttlErr, rememberedPlaces)
	}
}

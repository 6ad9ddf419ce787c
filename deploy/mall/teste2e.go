package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/services/kit/freeport"
)

// onKafka runs the tests of brokers once more, on Kafka, where it can be started.
func (t *tests) onKafka(ctx context.Context) {
	if err := t.canHave(ctx, broker.Kafka); err != nil {
		fmt.Printf("  - no tests on Kafka: %v\n", err)
		t.count.Skipped++
		return
	}
	t.endToEnd(ctx, broker.Kafka, []string{"-run", "^TestBroker|^TestEveryEventType",
		"-skip", "LosesEverything|CouldNotBePublished|Stalled"}) // which take long: --brokers runs them
}

// canHave brings what a broker needs, and returns why that cannot be had.
func (t *tests) canHave(ctx context.Context, k broker.Kind) error {
	if os.Getenv(k.Variable()) != "" {
		return nil
	}
	var impossible error
	err := t.board.Do(ctx, string(k), func(s *steps.Step) error {
		_, impossible = broker.Bring(ctx, t.machine(t.at, s), k)
		return nil
	})
	return errors.Join(err, impossible)
}

// endToEnd runs deploy/e2e. Those tests start their own mall with this very program (MALL_BIN), in a home and on free
// ports of their own, so that two copies can test at once; whatever they leave is taken down.
func (t *tests) endToEnd(ctx context.Context, kind broker.Kind, flags []string) {
	if ctx.Err() != nil {
		return
	}
	home := filepath.Join(t.at.Home, "e2e")
	if err := os.MkdirAll(t.at.Home, 0o755); err != nil {
		t.fail("end-to-end", err)
		return
	}
	unlock, err := lock(home + ".lock")
	if err != nil {
		t.fail("end-to-end", fmt.Errorf("%w (another run of these tests uses it; set MALL_HOME)", err))
		return
	}
	defer unlock()
	base, ports, err := freeport.Range()
	if err != nil {
		t.fail("end-to-end", err)
		return
	}
	defer ports.Close() //nolint:errcheck // it goes with this program
	self, err := os.Executable()
	if err != nil {
		t.fail("end-to-end", err)
		return
	}
	env := append(without(os.Environ(), "MALL_ONLY", "MALL_SEED", "MALL_BROKER"), "MALL_HOME="+home,
		fmt.Sprintf("MALL_PORT_BASE=%d", base),
		"MALL_CACHE="+t.at.Cache, "MALL_BIN="+self, "MALL_E2E=1", "MALL_BROKER="+string(kind),
		fmt.Sprintf("MALL_INSTALL=%t", t.install))
	takeDown := func(args ...string) {
		cmd := exec.Command(self, append([]string{"down"}, args...)...)
		cmd.Dir, cmd.Env = t.at.Root, env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.board.Say("  ! the tests' mall could not be taken down: %v\n%s", err, out)
		}
	}
	takeDown("--purge")
	before := t.count.Failed
	on := string(kind)
	if mtlsChosen() {
		on += " with mTLS"
	}
	fmt.Printf("  end-to-end tests on %s, on their own mall (MALL_HOME=%s MALL_PORT_BASE=%d)\n", on, home, base)
	t.withBrowser(ctx, kind, func(browser []string) {
		t.gotest(ctx, filepath.Join(home, "log"), endToEndArgs(flags), append(env, browser...))
	})
	if t.count.Failed > before {
		takeDown()
		t.board.Say("  logs of the tests' mall: %s", filepath.Join(home, "log"))
		return
	}
	takeDown("--purge")
}

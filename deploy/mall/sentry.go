package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"daprmall.dev/deploy/daprd"
	"daprmall.dev/deploy/internal/sentry"
	"daprmall.dev/deploy/internal/steps"
)

// mtlsChosen is MALL_MTLS, the --mtls of scripts. plan refuses a value that cannot be read.
func mtlsChosen() bool {
	chosen, _ := mtlsByEnvironment()
	return chosen
}

func mtlsByEnvironment() (bool, error) {
	value := os.Getenv("MALL_MTLS")
	if value == "" {
		return false, nil
	}
	chosen, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("MALL_MTLS=%q: want 1 or 0", value)
	}
	return chosen, nil
}

// startDapr finds or builds the sidecar and, with mTLS, starts sentry. One after the other, because both are made of
// the same packages.
func (m *mall) startDapr(ctx context.Context) error {
	if len(m.apps) == 0 {
		return nil
	}
	err := m.board.Do(ctx, "daprd", func(s *steps.Step) (err error) {
		m.daprd, err = sidecar(ctx, m.at, s)
		return err
	})
	if err != nil || !m.o.mtls {
		return err
	}
	return m.board.Do(ctx, sentry.Name, func(s *steps.Step) error { return m.startSentry(ctx, s) })
}

func (m *mall) startSentry(ctx context.Context, s *steps.Step) error {
	s.Note("building Dapr's sentry %s, about a minute, once per machine", daprd.Version)
	found, err := daprd.Sentry(ctx, m.at.Cache, func(n int) {
		s.Note("building Dapr's sentry %s, once per machine: %d packages so far", daprd.Version, n)
	})
	if err != nil {
		return err
	}
	if found.From == daprd.FromSource {
		s.Changed("%s", filepath.Dir(found.Path))
	}
	i := &sentry.Instance{Binary: found.Path, Dir: filepath.Join(m.at.Home, sentry.Name), Port: m.at.SentryPort(),
		Health: m.at.SentryHealthPort()}
	var ids []string
	for _, a := range m.apps {
		ids = append(ids, a.ID)
	}
	slices.Sort(ids)
	if err := i.Prepare(slices.Compact(ids)); err != nil {
		return err
	}
	m.sup.Start(i.Spec(m.at.Log(sentry.Name), threads()))
	if err := waitSentry(ctx, i); err != nil {
		return fmt.Errorf("%w\n%s", err, m.lastWords(sentry.Name))
	}
	s.Note("%s, %s (%s)", found.Version, found.From, found.Path)
	m.sentry = i
	return nil
}

// sentryWithin is how long sentry may take to be ready, also after a crash.
const sentryWithin = time.Minute

// waitSentry returns when sentry signs certificates. A sidecar that starts without it tries a few times, and ends.
func waitSentry(ctx context.Context, i *sentry.Instance) error {
	if i == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sentryWithin)
	defer cancel()
	return i.Wait(ctx)
}

// refusedByList is what Dapr says when an access control list refuses a call. With mTLS it refuses the mall's own
// probes, and that, too, proves that two sidecars have found and identified each other.
const refusedByList = "access control policy has denied access"

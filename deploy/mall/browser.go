package main

import (
	"context"
	"fmt"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/steps"
)

// withBrowser does work with an environment that names what the end-to-end tests of the web shop need: a browser, and a
// copy of the shop's source with its modules. Without them those tests are skipped, and MALL_NO_BROWSER says why. What
// a page does depends on no broker, so they run on Redis only.
func (t *tests) withBrowser(ctx context.Context, kind broker.Kind, work func(env []string)) {
	if kind != broker.Redis {
		work([]string{"MALL_NO_BROWSER=they run on redis"})
		return
	}
	var npm, chromium source.Found
	var missing error
	modules := ""
	err := t.board.Do(ctx, "browser", func(s *steps.Step) (err error) {
		npm, chromium, err = browserPrograms(ctx, t.machine(t.at, s))
		if err != nil {
			missing = err
			s.LeaveOut("%v", err)
			return nil
		}
		s.Note("Chromium %s", chromium.Version)
		modules, err = storefront.modules(ctx, t, npm.Path, s)
		return err
	})
	if err == nil && missing == nil {
		err = storefront.inCopy(t, modules, func(dir string) error {
			work([]string{"MALL_STOREFRONT=" + dir, "MALL_NPM=" + npm.Path, "MALL_CHROMIUM=" + chromium.Path})
			return nil
		})
		if err != nil {
			t.fail("browser", err)
		}
		return
	}
	if err != nil {
		t.fail("browser", err)
		missing = err
	}
	work([]string{fmt.Sprintf("MALL_NO_BROWSER=%v", missing)})
}

func browserPrograms(ctx context.Context, m source.Machine) (npm, chromium source.Found, err error) {
	if npm, err = source.NPM(ctx, m); err == nil {
		chromium, err = source.Chromium(ctx, m)
	}
	return npm, chromium, err
}

//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// The web shop in a real browser, at two widths: api-gateway/storefront/tests.
func TestStorefront(t *testing.T) {
	t.Parallel()
	inBrowser(t, nil, "desktop", "phone")
}

// The web shop while order and the gateway are killed, while an event is parked, while the browser is offline, when the
// time to pay ends, and from another host.
func TestStorefrontWhilePartsAreAway(t *testing.T) {
	inBrowser(t, []string{"MALL_PARKED=" + parkedEvent(t)}, "away", "away-phone", "--no-deps", "--workers=1")
}

// What Lighthouse says of the web shop, except for times: accessibility, best practices, and what search engines need.
func TestStorefrontScores(t *testing.T) {
	cmd := storefront(t, "lighthouse", "--without-times")
	cmd.Env = append(cmd.Env, "MALL_PRODUCT="+product(t, "Scored tea", 1900, 10).ID)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), "✓") != 6 { // three of two pages
		t.Errorf("%v\n%s", err, out)
	}
}

// storefront returns a command that runs a script of the web shop on the mall under test.
func storefront(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	dir := os.Getenv("MALL_STOREFRONT")
	if dir == "" {
		t.Skip("no tests in a browser: " + os.Getenv("MALL_NO_BROWSER"))
	}
	args = append([]string{"run", "--silent", script, "--"}, args...)
	cmd := exec.CommandContext(t.Context(), os.Getenv("MALL_NPM"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MALL_URL="+visitor.Base, "MALL_ROOT="+root(), "MALL_SELLER=seller@mall.local",
		"MALL_ADMIN=admin@mall.local", "MALL_SELLER_PASSWORD="+apiclient.Password)
	return cmd
}

// inBrowser runs projects of Playwright, on the mall under test if the environment names no other. Each of its tests is
// a subtest.
func inBrowser(t *testing.T, env []string, args ...string) {
	t.Helper()
	for i, a := range args {
		if !strings.HasPrefix(a, "-") {
			args[i] = "--project=" + a
		}
	}
	results := t.TempDir()
	report := filepath.Join(results, "report.json")
	cmd := storefront(t, "browser", args...)
	cmd.Env = append(append(cmd.Env, env...), "MALL_REPORT="+report, "MALL_RESULTS="+filepath.Join(results, "results"))
	out, failed := cmd.CombinedOutput()
	raw, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v, %v\n%s", failed, err, out)
	}
	var found playwright
	if err := json.Unmarshal(raw, &found); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, s := range found.Suites {
		count += s.report(t)
	}
	if count == 0 || (failed != nil && !t.Failed()) {
		t.Errorf("%d tests, %v\n%s", count, failed, out)
	}
}

// playwright is what Playwright reports, as far as it is read here.
type playwright struct {
	Suites []playwrightSuite
}

type playwrightSuite struct {
	Title  string
	Suites []playwrightSuite
	Specs  []struct {
		Title string
		Tests []struct {
			ProjectName string
			Status      string // expected, unexpected, flaky or skipped
			Results     []struct {
				Errors []struct{ Message string }
			}
		}
	}
}

// report makes a subtest of each test, and returns how many there are.
func (s playwrightSuite) report(t *testing.T) (count int) {
	t.Helper()
	for _, inner := range s.Suites {
		count += inner.report(t)
	}
	for _, spec := range s.Specs {
		for _, test := range spec.Tests {
			count++
			t.Run(test.ProjectName+" "+spec.Title, func(t *testing.T) {
				if test.Status == "expected" {
					return
				}
				t.Errorf("%s: %s", s.Title, test.Status)
				for _, r := range test.Results {
					for _, e := range r.Errors {
						t.Error(e.Message)
					}
				}
			})
		}
	}
	return count
}

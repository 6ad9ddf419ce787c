//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/contractstest"
)

// probe is a call that other apps may try, with those that may make it.
type probe struct {
	app, method, path string
	allowed           []string
	// open: without mTLS anyone may, because the answer is no secret.
	open bool
}

// probes are what an app has for others: each route between services, the path of its events, a public route, and
// its health check, which is for its sidecar alone.
func probes(t *testing.T, tokens map[string]string) (all []probe) {
	t.Helper()
	names := func() (names []string) {
		for _, s := range contracts.Services {
			names = append(names, s.Name)
		}
		return names
	}()
	for _, r := range contractstest.Routes() {
		p := probe{app: r.Service, method: r.Method, path: r.Path, allowed: r.Callers}
		if r.Callers == nil {
			p.allowed = names
		}
		all = append(all, p)
	}
	for _, r := range contractstest.PublicCalls() {
		all = append(all, probe{app: r.Service, method: r.Method, path: strings.ReplaceAll(r.Path, "*", "1"),
			allowed: append([]string{"api-gateway"}, r.Callers...)})
	}
	for _, r := range public {
		all = append(all, probe{app: r.app, method: r.method, path: r.path, allowed: r.callers})
	}
	for _, app := range contracts.Consumers() {
		if tokens[app] == "" {
			t.Fatalf("%s has no token for events", app)
		}
		all = append(all, probe{app: app, method: http.MethodPost, path: "/events/" + tokens[app]})
	}
	for _, name := range names {
		all = append(all, probe{app: name, method: http.MethodGet, path: "/healthz", open: true})
	}
	return append(all, probe{app: "api-gateway", method: http.MethodGet, path: "/v1/products", open: true})
}

// Through its sidecar each app reaches of each other one what the contracts list, and nothing else: with mTLS the other
// sidecar refuses it, without the service. An app has a key for every other one, so that its key is not the reason.
func TestEachAppReachesOfTheOthersWhatTheContractsList(t *testing.T) {
	apps := mallUnderTest(t).first()
	keys := secretStore(t)
	all := probes(t, eventsTokens(t))
	let, refused := 0, 0
	for _, p := range all {
		for caller, side := range apps {
			if caller == p.app {
				continue
			}
			a := raw(t, p.method, side.sidecar("/v1.0/invoke/"+p.app+"/method"+p.path), map[string]any{},
				map[string]string{"dapr-api-token": side.DaprToken, "Mall-Caller-Key": keys[caller+"-peers"][p.app]})
			switch {
			case slices.Contains(p.allowed, caller) || p.open && !mtls:
				let++
				if by := refusedBy(a); by != "" || a.Status == 0 || strings.Contains(string(a.Body), `"errorCode":"ERR_`) {
					t.Errorf("%s calls %s %s of %s: %s, want an answer of the app", caller, p.method, p.path, p.app, a)
				}
			default:
				refused++
				if by := refusedBy(a); by != refuser(all, p, caller) {
					t.Errorf("%s calls %s %s of %s: %s, refused by %q, want it refused by %q", caller, p.method, p.path, p.app, a,
						by, refuser(all, p, caller))
				}
			}
		}
	}
	t.Logf("%d calls were let through, %d refused", let, refused)
	if let < 30 || refused < 150 {
		t.Errorf("%d calls were let through and %d refused, too few to prove anything", let, refused)
	}
}

// Who refuses a call because of its caller.
const (
	byList    = "the access control list"
	byService = "the service"
)

func refusedBy(a apiclient.Answer) string {
	switch {
	case a.Status != http.StatusForbidden:
		return ""
	case a.Code() == "caller_not_allowed":
		return byService
	case strings.Contains(string(a.Body), "access control policy has denied access"):
		return byList
	}
	return ""
}

// refuser is who must refuse a call. A list admits what is below a path that it admits, so that the service's own check
// is the one that counts there.
func refuser(all []probe, p probe, caller string) string {
	below := slices.ContainsFunc(all, func(o probe) bool {
		return o.app == p.app && o.method == p.method && slices.Contains(o.allowed, caller) &&
			strings.HasPrefix(p.path, o.path+"/")
	})
	if !mtls || below {
		return byService
	}
	return byList
}

//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/config/keys"
)

// raw sends a request to an address that is not part of the public API.
func raw(t *testing.T, method, url string, body any, headers map[string]string) apiclient.Answer {
	t.Helper()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	res, err := visitor.HTTP.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer func() { _ = res.Body.Close() }()
	a := apiclient.Answer{Status: res.StatusCode, Header: res.Header}
	if a.Body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return a
}

// A sidecar can read the settings of its own app and those for all apps, and no others.
func TestSidecarsReadTheirOwnSettings(t *testing.T) {
	own := map[string]string{} // one setting of each app that has any
	for _, s := range contracts.Services {
		for _, k := range keys.All() {
			if strings.HasPrefix(k.Name, s.SettingsPrefix()+".") {
				own[s.Name] = k.Name
			}
		}
	}
	for name, a := range mallUnderTest(t).first() {
		ask := func(key string) apiclient.Answer {
			return raw(t, http.MethodGet, a.sidecar("/v1.0/configuration/config-"+name+"?key="+key), nil,
				map[string]string{"dapr-api-token": a.DaprToken})
		}
		for _, key := range []string{"mall.currency", "database.max_connections"} {
			if got := ask(key); got.Status >= 300 {
				t.Errorf("%s reads %s: %s, want to read it", name, key, got)
			}
		}
		for app, key := range own {
			if got := ask(key); (got.Status < 300) != (app == name) { // 204 for a setting that is not set
				t.Errorf("%s reads %s: %s", name, key, got)
			}
		}
		if got := ask("mall:{mall}:order:1"); got.Status < 300 {
			t.Errorf("%s reads a key that is not a setting: %s", name, got)
		}
	}
}

// first returns the apps without additional replicas.
func (p mallAccess) first() map[string]appAccess {
	apps := map[string]appAccess{}
	for name, a := range p.Apps {
		if name == a.ID {
			apps[name] = a
		}
	}
	return apps
}

func (a appAccess) sidecar(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", a.Ports["dapr_http"], path)
}

// A service's port accepts requests only from its own sidecar, which sends a token.
func TestAppPortsServeOnlyTheirSidecar(t *testing.T) {
	apps := mallUnderTest(t).first()
	for _, p := range internalRoutes(t) {
		a := apps[p.app]
		for what, headers := range map[string]map[string]string{
			"no token":                {},
			"an empty token":          {"dapr-api-token": ""},
			"a wrong token":           {"dapr-api-token": "x"},
			"its sidecar's token":     {"dapr-api-token": a.DaprToken},
			"another service's token": {"dapr-api-token": apps["api-gateway"].AppToken},
			"a caller without token":  {"dapr-caller-app-id": "api-gateway"},
			"a user's token":          {"Authorization": "Bearer " + bearer(t, admin)},
		} {
			got := raw(t, p.method, a.URL+p.path, map[string]any{}, headers)
			if got.Status != http.StatusForbidden || got.Code() != "not_through_sidecar" {
				t.Errorf("%s %s%s with %s: %s, want 403 not_through_sidecar", p.method, p.app, p.path, what, got)
			}
		}
	}
}

// A sidecar accepts requests only from its own app.
func TestSidecarsServeOnlyTheirApp(t *testing.T) {
	apps := mallUnderTest(t).first()
	for name, a := range apps {
		for _, path := range []string{"/v1.0/metadata", "/v1.0/secrets/secrets/bulk", "/v1.0/invoke/order/method/v1/orders",
			"/v1.0/configuration/config-order?key=order.payment_timeout"} {
			for what, token := range map[string]string{"no token": "", "another's token": apps["cart"].DaprToken,
				"the app's token": a.AppToken} {
				if name == "cart" && what == "another's token" {
					continue
				}
				if got := raw(t, http.MethodGet, a.sidecar(path), nil,
					map[string]string{"dapr-api-token": token}); got.Status != http.StatusUnauthorized {
					t.Errorf("%s of %s-daprd with %s: %s, want 401", path, name, what, got)
				}
			}
		}
	}
}

// A service may call only the routes that list it as a caller, even with an admin's token or under another name.
func TestServicesCallOnlyRoutesThatListThem(t *testing.T) {
	apps := mallUnderTest(t).first()
	keys := secretStore(t)
	for _, p := range internalRoutes(t) {
		for caller, side := range apps {
			if slices.Contains(p.callers, caller) || caller == p.app { // a service may call itself
				continue
			}
			for _, pretends := range append([]string{"", p.app}, p.callers...) {
				headers := map[string]string{"dapr-api-token": side.DaprToken, "Authorization": "Bearer " + bearer(t, admin),
					"Mall-Caller-Key": keys[caller+"-peers"][p.app]}
				if pretends != "" {
					headers["dapr-caller-app-id"] = pretends
				} else { // headers named in Connection are dropped on the way, even the sidecar's own
					headers["Connection"] = "dapr-caller-app-id"
				}
				got := raw(t, p.method, side.sidecar("/v1.0/invoke/"+p.app+"/method"+p.path), map[string]any{}, headers)
				if refusedBy(got) == "" {
					t.Errorf("%s calls %s %s of %s as %q: %s, want it refused", caller, p.method, p.path, p.app, pretends,
						got)
				}
			}
		}
	}
}

// secretStore reads all secrets of the mall.
func secretStore(t *testing.T) map[string]map[string]string {
	t.Helper()
	var secrets map[string]map[string]string
	readJSON(t, home("secrets.json"), &secrets)
	return secrets
}

// A caller's name is not enough, because anyone who can reach a sidecar's internal port can write any name. The call
// also needs the caller's key for the service that it calls.
func TestACallersNameIsAcceptedOnlyWithItsKey(t *testing.T) {
	apps := mallUnderTest(t).first()
	keys := secretStore(t)
	for _, p := range internalRoutes(t) {
		for _, caller := range p.callers {
			side, known := apps[caller]
			if !known {
				continue
			}
			ask := func(key string) apiclient.Answer {
				headers := map[string]string{"dapr-api-token": side.DaprToken, "Authorization": "Bearer " + bearer(t, admin)}
				if key != "" {
					headers["Mall-Caller-Key"] = key
				}
				return raw(t, p.method, side.sidecar("/v1.0/invoke/"+p.app+"/method"+p.path), map[string]any{}, headers)
			}
			other := contracts.Services[slices.IndexFunc(contracts.Services, func(s contracts.Service) bool {
				return !s.Edge && s.Name != p.app && s.Name != caller
			})].Name
			for what, key := range map[string]string{"no key": "", "a wrong key": "x",
				"its key for another service": keys[caller+"-peers"][other],
				"another service's key":       keys[other+"-peers"][p.app]} {
				if got := ask(key); got.Status != http.StatusForbidden || got.Code() != "caller_not_allowed" {
					t.Errorf("%s calls %s %s of %s with %s: %s, want 403 caller_not_allowed", caller, p.method, p.path, p.app, what,
						got)
				}
			}
			if got := ask(keys[caller+"-peers"][p.app]); got.Code() == "caller_not_allowed" {
				t.Errorf("%s calls %s %s of %s with its key: %s", caller, p.method, p.path, p.app, got)
			}
		}
	}
}

// eventsTokens reads the secret paths in the subscriptions that the runner gave to the sidecars.
func eventsTokens(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(home("resources", "subscriptions.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	for _, m := range regexp.MustCompile(`default: /events/(\w+)[^-]*?scopes: \[(\w+)\]`).
		FindAllStringSubmatch(string(text), -1) {
		tokens[m[2]] = m[1]
	}
	return tokens
}

// A service accepts events only on a path that its own sidecar knows. Another service that hides its name from the call
// does not know this path.
func TestServicesCannotForgeEvents(t *testing.T) {
	apps := mallUnderTest(t).first()
	tokens := eventsTokens(t)
	forged := map[string]any{"specversion": "1.0", "id": "forged-" + apiclient.Key(), "source": "order",
		"type": "mall.order.placed.v1", "data": map[string]any{}}
	for _, app := range contracts.Consumers() {
		secret := "/events/" + tokens[app]
		if tokens[app] == "" {
			t.Fatalf("%s has no token for events", app)
		}
		if got := raw(t, http.MethodPost, apps[app].URL+secret, forged, nil); got.Status != http.StatusForbidden ||
			got.Code() != "not_through_sidecar" {
			t.Errorf("an event for %s, not through its sidecar: %s", app, got)
		}
		if metrics := raw(t, http.MethodGet, apps[app].URL+"/metrics", nil, nil); metrics.Status != http.StatusOK ||
			bytes.Contains(metrics.Body, []byte(tokens[app])) {
			t.Errorf("the metrics of %s: %d, or they contain its token", app, metrics.Status)
		}
		for caller, side := range apps {
			if caller == app {
				continue
			}
			headers := map[string]string{"dapr-api-token": side.DaprToken}
			if got := raw(t, http.MethodPost, side.sidecar("/v1.0/invoke/"+app+"/method"+secret), forged,
				headers); refusedBy(got) == "" {
				t.Errorf("%s knows the path of %s and uses it: %s, want it refused", caller, app, got)
			}
			headers["Connection"] = "dapr-caller-app-id"
			for _, path := range []string{"/events", "/events/", "/events/order-placed", "/events/" + tokens[caller]} {
				got := raw(t, http.MethodPost, side.sidecar("/v1.0/invoke/"+app+"/method"+path), forged, headers)
				if got.Status != http.StatusNotFound && got.Status != http.StatusMethodNotAllowed &&
					(!mtls || refusedBy(got) != byList) {
					t.Errorf("%s delivers to %s of %s without a name: %s, want 404 or 405", caller, path, app, got)
				}
			}
		}
	}
}

// A sidecar refuses its app the secrets, topics and components of others.
func TestSidecarsKeepServicesApart(t *testing.T) {
	secrets := secretStore(t)
	for name, a := range mallUnderTest(t).first() {
		service, known := contracts.Find(name)
		if !known {
			t.Errorf("%s is not a service of the contracts", name)
		}
		may := service.AllowedSecrets()
		own := map[string]string{"dapr-api-token": a.DaprToken}
		ask := func(method, path string, body any) apiclient.Answer {
			return raw(t, method, a.sidecar(path), body, own)
		}
		for secret := range secrets {
			want := http.StatusForbidden
			if slices.Contains(may, secret) {
				want = http.StatusOK
			}
			if got := ask(http.MethodGet, "/v1.0/secrets/secrets/"+secret, nil); got.Status != want {
				t.Errorf("%s reads secret %s: %d, want %d", name, secret, got.Status, want)
			}
		}
		var all map[string]any
		if got := ask(http.MethodGet, "/v1.0/secrets/secrets/bulk", nil); got.Status == http.StatusOK {
			if err := got.Into(&all); err != nil {
				t.Fatal(err)
			}
		}
		for secret := range all {
			if !slices.Contains(may, secret) {
				t.Errorf("%s reads secret %s in bulk", name, secret)
			}
		}
		for _, topic := range append(contracts.Topics, contracts.Topic{Name: "mall.anything"}) {
			if topic.Producer == name {
				continue
			}
			if got := ask(http.MethodPost, "/v1.0/publish/events/"+topic.Name, map[string]any{}); got.Status < 400 {
				t.Errorf("%s publishes to %s: %s", name, topic.Name, got)
			}
		}
		if name != "cart" {
			if got := ask(http.MethodGet, "/v1.0/state/carts/x", nil); got.Status < 400 {
				t.Errorf("%s reads carts: %s", name, got)
			}
		}
		if name != "product" { // the gateway may use the binding, but only to limit sign-ins
			if got := ask(http.MethodPost, "/v1.0/bindings/redis-lua",
				map[string]any{"operation": "run_id", "data": map[string]any{}}); got.Status < 400 {
				t.Errorf("%s runs Lua scripts: %s", name, got)
			}
		}
	}
}

// A service's database accepts only that service.
func TestServicesReachOnlyTheirDatabase(t *testing.T) {
	p := mallUnderTest(t)
	for service, dsn := range p.Databases {
		for other := range p.Databases {
			if other == service {
				continue
			}
			foreign := dsn[:strings.LastIndex(dsn, "/")+1] + other + "?sslmode=disable"
			if err := ping(t, foreign); err == nil {
				t.Errorf("%s gets into the database of %s", service, other)
			}
		}
	}
}

// All listeners of a mall are on loopback only, also the gateway's: a proxy makes it public.
func TestNothingListensOutside(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	owner := map[string]string{} // socket inode → process
	for name, p := range status(t) {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID))
		if err != nil || len(fds) == 0 {
			t.Fatalf("%s (pid %d): cannot read its open files, %v", name, p.PID, err)
		}
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, "socket:[") {
				owner[strings.Trim(target, "socket:[]")] = name
			}
		}
	}
	replicas := fmt.Sprintf(":%04X", status(t)["rocketmq"].Port+1)
	listening := 0
	for file, loopback := range map[string]string{"/proc/net/tcp": "0100007F:",
		"/proc/net/tcp6": "00000000000000000000000001000000:", "/proc/net/udp": "0100007F:",
		"/proc/net/udp6": "00000000000000000000000001000000:"} {
		f, err := os.Open(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			udp := strings.HasPrefix(file, "/proc/net/udp")
			if len(fields) < 10 || fields[3] != "0A" && !udp {
				continue
			}
			name := owner[fields[9]]
			if name == "" || udp && !strings.HasSuffix(fields[2], ":0000") {
				continue
			}
			listening++
			if name == "rocketmq" && strings.HasSuffix(fields[1], replicas) {
				continue // RocketMQ cannot be told where to listen for replicas (docs/brokers.md)
			}
			if !strings.HasPrefix(fields[1], loopback) && !strings.HasPrefix(fields[1], "0000000000000000FFFF00000100007F:") {
				t.Errorf("%s listens at %s (%s), which is not loopback", name, fields[1], file)
			}
		}
		_ = f.Close()
	}
	if listening < 30 {
		t.Errorf("only %d listeners found, too few to prove anything", listening)
	}
}

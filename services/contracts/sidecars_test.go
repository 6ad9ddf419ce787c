package contracts_test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/bulk"
)

// Where a sidecar runs.
const (
	onOneMachine = "one machine"
	withMTLS     = "one machine, mtls"
	onKubernetes = "kubernetes"
)

const configuration = `# Configuration of the sidecar of {{.Name}}. Tracing is off; metrics are limited to those in use.
# Generated from the template in services/contracts: go test ./services/contracts -update
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: {{.Name}}
spec:
  tracing:
    samplingRate: "0"
  metrics:
    enabled: true
    http:
      # By default every path makes its own series, and our paths contain ids.
      increasedCardinality: false
  logging:
    apiLogging:
      enabled: false
  features:
    # A sidecar must not restart because a file was changed.
    - name: HotReload
      enabled: false
{{- if ne .Where "kubernetes"}}
  nameResolution:
    component: sqlite
    version: v1
    configuration:
      connectionString: .mall/names.db
      # The default clean-up deletes valid rows, and ends the sidecar after an hour.
      cleanupInterval: "0s"
      # A row is valid for 30 s and renewed every updateInterval − timeout. With the default
      # timeout of 1 s a row expires if a busy machine renews it a second late.
      updateInterval: "30s"
      timeout: "10s"
      # All sidecars start at once and write to one database, which only one can lock at a time.
      busyTimeout: "15s"
{{- else}}
  # Services of ours with one address each, in place of Dapr's, whose pods callers look up at most every 30 s.
  nameResolution:
    component: kubernetes
    version: v1
    configuration:
      template: {{.Address}}
{{- end}}
  secrets:
    scopes:
      - storeName: secrets
        defaultAccess: deny
        allowedSecrets:
{{- range .AllowedSecrets}}
          - {{.}}
{{- end}}
{{- if ne .Where "one machine"}}
  # Which calls of other apps this sidecar lets in, by the identity of mTLS. The routes come from
  # services/contracts/contractstest, as server.Callers is tested to. Dapr takes the first operation that is the
  # beginning of a path, with its methods only. /internal/orders therefore admits also what is below it, by the methods
  # of both, and the service's own check refuses what it does not list.
  accessControl:
    defaultAction: deny
    trustDomain: public
{{- if .Policies}}
    policies:
{{- range .Policies}}
      - appId: {{.Caller}}
        defaultAction: deny
        trustDomain: public
        namespace: {{$.Namespace}}
        operations:
{{- range .Operations}}
          - name: {{.Path}}
            httpVerb: [{{.Verbs}}]
            action: allow
{{- end}}
{{- end}}
{{- end}}
{{- end}}
`

// sidecarConfiguration returns the configuration of a service's sidecar.
func sidecarConfiguration(t *testing.T, s contracts.Service, where string) []byte {
	t.Helper()
	namespace, address := "default", ""
	if where == onKubernetes {
		namespace = "{{ .Release.Namespace }}"
		address = `{{ "{{.ID}}-sidecar.{{.Namespace}}.svc:{{.Port}}" | quote }}`
	}
	return fill(t, configuration, struct {
		contracts.Service
		Where, Namespace, Address string
		Policies                  []policy
	}{s, where, namespace, address, policies(s)})
}

// policy is what one caller may call.
type policy struct {
	Caller     string
	Operations []operation
}

type operation struct{ Path, Verbs string }

// policies are the calls that a service's sidecar lets in: the public routes for the gateway, the routes between
// services for their callers.
func policies(s contracts.Service) (all []policy) {
	if s.Edge {
		return nil
	}
	for _, caller := range contracts.Services {
		if caller.Name == s.Name {
			continue
		}
		var allowed []operation
		shared := false
		if caller.Edge {
			allowed = append(allowed, operation{"/v1/**", `"*"`})
			shared = true
		}
		for _, r := range slices.Concat(contractstest.RoutesOf(s.Name), contractstest.PublicCalls()) {
			if r.Service != s.Name {
				continue
			}
			if r.Callers == nil || slices.Contains(r.Callers, caller.Name) {
				allowed = append(allowed, operation{r.Path, r.Method})
				shared = shared || r.Shared
			}
		}
		if shared {
			allowed = append(allowed, operation{bulk.Path, http.MethodPost})
		}
		if len(allowed) > 0 {
			all = append(all, policy{caller.Name, merged(allowed)})
		}
	}
	return all
}

// merged gives each path once, with its methods and those of the paths below it, which Dapr does not look at.
func merged(operations []operation) (all []operation) {
	for _, o := range operations {
		var verbs []string
		for _, other := range operations {
			if other.Path == o.Path || strings.HasPrefix(other.Path, o.Path+"/") {
				verbs = append(verbs, other.Verbs)
			}
		}
		slices.Sort(verbs)
		all = append(all, operation{o.Path, strings.Join(slices.Compact(verbs), ", ")})
	}
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(a.Path, b.Path) })
	return slices.Compact(all)
}

// A method below another operation of the same caller is admitted by that one.
func TestOperationsAdmitWhatIsBelowThem(t *testing.T) {
	got := merged([]operation{{"/cart/take", "POST"}, {"/cart", "GET"}, {"/carts", "PUT"}, {"/cart", "HEAD"}})
	want := []operation{{"/cart", "GET, HEAD, POST"}, {"/cart/take", "POST"}, {"/carts", "PUT"}}
	if !slices.Equal(got, want) {
		t.Errorf("operations %v, want %v", got, want)
	}
}

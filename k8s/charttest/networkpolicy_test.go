package charttest

import (
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"
)

// policy is what the tests read of a NetworkPolicy.
type policy struct {
	Metadata struct{ Name string }
	Spec     struct {
		Ingress []struct {
			From []struct {
				PodSelector struct {
					MatchExpressions []struct {
						Key    string
						Values []string
					}
				}
			}
			Ports []struct{ Port any }
		}
		Egress []struct {
			To    []any
			Ports []struct{ Port any }
		}
	}
}

func policyOf(t *testing.T, name, values string) policy {
	t.Helper()
	for _, p := range policies(t, values) {
		if p.Metadata.Name == name {
			return p
		}
	}
	t.Fatalf("there is no policy %s", name)
	return policy{}
}

func policies(t *testing.T, values string) (all []policy) {
	t.Helper()
	v, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	out, err := render(load(t), v)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.Split(out["mall/templates/networkpolicies.yaml"], "\n---\n") {
		var p policy
		if err := yaml.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// Some controllers check the rules of a policy in both directions.
func TestAPolicyHasRulesOfOneDirection(t *testing.T) {
	all := policies(t, "")
	if len(all) < 18 { // two of each service
		t.Fatalf("%d policies", len(all))
	}
	for _, p := range all {
		if len(p.Spec.Ingress) > 0 && len(p.Spec.Egress) > 0 {
			t.Errorf("%s has rules of both", p.Metadata.Name)
		}
	}
}

// Behind an ingress controller only its namespace reaches the gateway. A Service with an address of its own has clients
// that are in no namespace.
func TestWhoReachesTheGateway(t *testing.T) {
	for kind, open := range map[string]bool{"ClusterIP": false, "NodePort": true, "LoadBalancer": true} {
		found := false
		for _, rule := range policyOf(t, "api-gateway-in", "gateway: {service: {type: "+kind+"}}").Spec.Ingress {
			for _, port := range rule.Ports {
				if port.Port == "http" {
					found = true
					if got := len(rule.From) == 0; got != open {
						t.Errorf("%s: the gateway is open to all: %t, want %t", kind, got, open)
					}
				}
			}
		}
		if !found {
			t.Errorf("%s: nobody reaches the gateway", kind)
		}
	}
}

// Some clusters have DNS on each node, and the API server has addresses of any kind.
func TestDNSAndTheAPIServerAreReachedWhereverTheyAre(t *testing.T) {
	for _, name := range []string{"api-gateway-out", "order-out", "operations-out"} {
		anywhere := []any{}
		for _, rule := range policyOf(t, name, "").Spec.Egress {
			for _, port := range rule.Ports {
				if len(rule.To) == 0 {
					anywhere = append(anywhere, port.Port)
				}
			}
		}
		if want := []any{53.0, 53.0, 443.0, 6443.0}; !slices.Equal(anywhere, want) {
			t.Errorf("%s reaches the ports %v anywhere, want %v", name, anywhere, want)
		}
	}
}

func TestOnlyServicesWithADatabaseReachPostgreSQL(t *testing.T) {
	for store, want := range map[string]bool{"postgres": false, "redis": true} {
		var clients []string
		for _, e := range policyOf(t, store+"-in", "").Spec.Ingress[0].From[0].PodSelector.MatchExpressions {
			if e.Key == "app.kubernetes.io/name" {
				clients = e.Values
			}
		}
		if got := slices.Contains(clients, "api-gateway"); got != want || !slices.Contains(clients, "order") ||
			!slices.Contains(clients, "setup") {
			t.Errorf("%s lets in %v", store, clients)
		}
	}
}

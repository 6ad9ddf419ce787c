package charttest

import (
	"cmp"
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
			To    []peer
			Ports []struct{ Port any }
		}
	}
}

// peer is whom a rule lets the pods reach.
type peer struct {
	IPBlock           struct{ CIDR string }
	NamespaceSelector struct{ MatchLabels map[string]string }
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

// Only a broker knows the ports of its nodes, so services may connect to every port where it is. That must not be all
// addresses: services would reach every pod that lets them in.
func TestExamplesOpenNoPortToAllAddresses(t *testing.T) {
	for name, values := range examples(t) {
		text, err := values.YAML()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range policies(t, text) {
			for _, rule := range p.Spec.Egress {
				for _, to := range rule.To {
					if len(rule.Ports) == 0 && to.IPBlock.CIDR == "0.0.0.0/0" {
						t.Errorf("%s: %s lets pods reach everything", name, p.Metadata.Name)
					}
				}
			}
		}
	}
}

func TestStoresInNamespacesOfTheCluster(t *testing.T) {
	for where, want := range map[string][]string{
		`{storesCIDR: 10.20.0.0/16}`:                               {"10.20.0.0/16"},
		`{storesCIDR: "", storesNamespaces: [kafka]}`:              {"kafka"},
		`{storesCIDR: 10.20.0.0/16, storesNamespaces: [a, kafka]}`: {"10.20.0.0/16", "a", "kafka"},
	} {
		p := policyOf(t, "order-out", "postgres: {inside: false, host: db, adminSecret: db}\n"+
			"events: {broker: kafka, brokers: kafka:9093}\nnetworkPolicy: "+where)
		var broker, database []string
		for _, rule := range p.Spec.Egress {
			for _, to := range rule.To {
				name := cmp.Or(to.IPBlock.CIDR, to.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
				switch {
				case name == "" || name == "dapr-system":
				case len(rule.Ports) == 0:
					broker = append(broker, name)
				case rule.Ports[0].Port == 5432.0:
					database = append(database, name)
				}
			}
		}
		if !slices.Equal(broker, want) || !slices.Equal(database, want) {
			t.Errorf("%s: the broker is at %v and the database at %v, want %v", where, broker, database, want)
		}
	}
	v, err := chartutil.ReadValues([]byte(`networkPolicy: {storesCIDR: ""}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := render(load(t), v); err == nil {
		t.Error("nowhere is accepted, and a rule without addresses is for all of them")
	}
}

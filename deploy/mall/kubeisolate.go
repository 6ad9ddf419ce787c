package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"daprmall.dev/deploy/internal/kubectl"
	"daprmall.dev/deploy/internal/steps"
)

// probe is a pod that tries to reach every port of the mall.
type probe struct {
	in     kubectl.Namespace
	name   string
	labels map[string]string
	open   []string // what it must reach, and nothing else
}

const (
	// lockedIn is a pod with a policy that lets it reach nothing.
	lockedIn = "locked-in"
	// gateway is a target that strangers in the namespace of the test may reach.
	gateway = "api-gateway http"
)

// isolate tries the network policies: from pods of another namespace, of the same one, and with the labels of each
// service. On a cluster that does not enforce policies it says so.
func (t *kubeTest) isolate(ctx context.Context, s *steps.Step) error {
	if out, err := t.ns.Kubectl(ctx, "get", "networkpolicy/mall-deny", "--ignore-not-found", "-o", "name"); err != nil ||
		out == "" {
		s.LeaveOut("the values switch network policies off")
		return err
	}
	other := t.ns
	other.Name += "-other"
	defer func() {
		_, _ = other.Kubectl(context.WithoutCancel(ctx), "delete", "namespace", other.Name, "--ignore-not-found",
			"--wait=false")
	}()
	if err := other.Apply(ctx, map[string]any{"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": other.Name}}); err != nil {
		return err
	}
	locked := map[string]string{"app.kubernetes.io/name": lockedIn}
	if err := t.ns.Apply(ctx, map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
		"metadata": map[string]any{"name": lockedIn}, "spec": map[string]any{"policyTypes": []string{"Egress"},
			"podSelector": map[string]any{"matchLabels": locked}}}); err != nil {
		return err
	}
	targets, err := t.targets(ctx)
	if err != nil {
		return err
	}
	if targets[gateway] == "" {
		return errors.New("no pod of the gateway runs")
	}
	probes := []probe{{t.ns, lockedIn, locked, nil}, {t.ns, "stranger", nil, []string{gateway}},
		{other, "stranger", nil, nil}}
	services, err := t.mayReach()
	if err != nil {
		return err
	}
	for name, open := range services {
		probes = append(probes, probe{t.ns, "like-" + name, map[string]string{"app.kubernetes.io/name": name,
			"app.kubernetes.io/instance": release, partOf: "mall"}, open})
	}
	for _, p := range probes {
		var open []string
		for _, name := range p.open {
			open = append(open, targets[name])
		}
		run := t.container(append([]string{"reach", "-open", strings.Join(open, ",")},
			slices.Sorted(maps.Values(targets))...))
		// It never gets ready, so that no Service sends anything to it.
		if err := p.in.Apply(ctx, manifest(p.name, p.labels, map[string]any{"containers": []any{run},
			"readinessGates": []any{map[string]string{"conditionType": "mall/never"}}})); err != nil {
			return err
		}
	}
	reached := make([]map[string]bool, len(probes))
	for i, p := range probes {
		if reached[i], err = p.result(ctx); err != nil {
			return err
		}
	}
	if reached[0][targets[gateway]] {
		s.LeaveOut("this cluster does not enforce network policies: any pod reaches databases and sidecars")
		return nil
	}
	t.enforced = true
	tried := 0
	var wrong []error
	for i, p := range probes {
		for _, name := range slices.Sorted(maps.Keys(targets)) {
			tried++
			if got, want := reached[i][targets[name]], slices.Contains(p.open, name); got != want {
				wrong = append(wrong, fmt.Errorf("%s of %s: %s is open: %t, want %t", p.name, p.in.Name, name, got, want))
			}
		}
	}
	s.Note("%d pods, %d connections tried, %d of them wrong", len(probes), tried, len(wrong))
	return errors.Join(wrong...)
}

// mayReach is what each service needs, by its name: what contracts has generated for the chart.
func (t *kubeTest) mayReach() (map[string][]string, error) {
	raw, err := os.ReadFile(filepath.Join(t.at.Root, "k8s", "mall", "dapr", "services.yaml"))
	if err != nil {
		return nil, err
	}
	var chart struct {
		Services map[string]struct{ Calls, Databases []string }
	}
	if err := yaml.Unmarshal(raw, &chart); err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for name, svc := range chart.Services {
		all[name] = []string{"redis redis"}
		if len(svc.Databases) > 0 {
			all[name] = append(all[name], "postgres postgres")
		}
		for _, other := range svc.Calls {
			all[name] = append(all[name], other+" dapr-internal")
		}
	}
	return all, nil
}

// targets are all ports of a pod of each kind, by what people call them.
func (t *kubeTest) targets(ctx context.Context) (map[string]string, error) {
	out, err := t.ns.Kubectl(ctx, "get", "pods", "-l", partOf+"=mall", "--field-selector", "status.phase=Running", "-o",
		"json")
	if err != nil {
		return nil, err
	}
	var pods struct {
		Items []struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				InitContainers, Containers []struct {
					Ports []struct {
						Name          string
						ContainerPort int
					}
				}
			}
			Status struct{ PodIP string }
		}
	}
	if err := json.Unmarshal([]byte(out), &pods); err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, p := range pods.Items {
		for _, c := range append(p.Spec.Containers, p.Spec.InitContainers...) {
			for _, port := range c.Ports {
				all[p.Metadata.Labels["app.kubernetes.io/name"]+" "+port.Name] = net.JoinHostPort(p.Status.PodIP,
					fmt.Sprint(port.ContainerPort))
			}
		}
	}
	return all, nil
}

// result waits for the end of a probe.
func (p probe) result(ctx context.Context) (map[string]bool, error) {
	if _, err := p.in.Kubectl(ctx, "wait", "pod/"+p.name, "--for=jsonpath={.status.phase}=Succeeded",
		"--timeout=2m"); err != nil {
		return nil, err
	}
	out, err := p.in.Kubectl(ctx, "logs", p.name)
	if err != nil {
		return nil, err
	}
	open := map[string]bool{}
	if err := json.Unmarshal([]byte(strings.TrimSpace(out)), &open); err != nil {
		return nil, err
	}
	_, err = p.in.Kubectl(ctx, "delete", "pod", p.name, "--wait=false")
	return open, err
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/kubectl"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/services/contracts"
)

// kubeTest is a test of the chart on a real cluster.
type kubeTest struct {
	ns         kubectl.Namespace
	at         layout.Layout
	values     []string
	repository string
	tag        string
	keep       bool
	board      *steps.Progress

	mu      sync.Mutex
	shopped shopped
}

// shopped is what deploy/kubetest has counted.
type shopped struct {
	Purchases, Requests, Failed, Lost int
	Examples                          []string
}

const (
	release = "shop"
	// readyWithin is how long a cluster may take to start or replace all pods.
	readyWithin = "10m"
	shopper     = "kube-test-shop"
	auditor     = "kube-test-audit"
)

func kubeTestCommand() *cobra.Command {
	var t kubeTest
	c := &cobra.Command{Use: "kube-test", Args: cobra.NoArgs,
		Short: "Install the chart on a cluster, shop, try its policies, break and change it, attack, audit, uninstall",
		Long: "It needs kubectl and helm 3, a cluster with Dapr, and images that the cluster can pull or has: those of " +
			"`images`. It makes a namespace and deletes it at the end.",
		Example: "  kube-test --repository registry.example.org/daprmall --tag 1.2.3\n" +
			"  kube-test --values my-stores.yaml --keep"}
	f := c.Flags()
	f.StringVar(&t.ns.Context, "context", "", "of kubectl's configuration (default: the current one)")
	f.StringVar(&t.ns.Name, "namespace", "mall-test", "which must not exist")
	f.StringSliceVar(&t.values, "values", nil, "files of values, for example where the stores are")
	f.StringVar(&t.repository, "repository", "daprmall", "of the images")
	f.StringVar(&t.tag, "tag", "dev", "of the images")
	f.BoolVar(&t.keep, "keep", false, "leave everything at the end")
	c.RunE = here(func(ctx context.Context, at layout.Layout, _ []string) error {
		t.at, t.board = at, steps.New(ctx, os.Stdout)
		return t.run(ctx)
	})
	return c
}

func (t *kubeTest) run(ctx context.Context) error {
	if out, err := t.ns.Kubectl(ctx, "get", "namespace", t.ns.Name, "--ignore-not-found", "-o", "name"); err != nil ||
		out != "" {
		return errors.Join(err, fmt.Errorf("the namespace %s exists: choose another one with --namespace", t.ns.Name))
	}
	if !t.keep {
		defer t.cleanUp(context.WithoutCancel(ctx))
	}
	shopping, stop := context.WithCancel(ctx)
	defer stop()
	for _, do := range []struct {
		name string
		work func(context.Context, *steps.Step) error
	}{
		{"install", t.install}, {"shop", func(_ context.Context, s *steps.Step) error { return t.shop(shopping, s) }},
		{"isolate", t.isolate}, {"fault", t.deletePods}, {"upgrade", t.upgrade}, {"scale", t.scale},
		{"rotate", t.rotate}, {"attack", t.attack}, {"stop", t.stopShopping}, {"audit", t.audit},
		{"uninstall", t.uninstall},
	} {
		if t.keep && do.name == "uninstall" {
			return nil
		}
		if err := t.board.Do(ctx, do.name, func(s *steps.Step) error { return do.work(ctx, s) }); err != nil {
			return exitCode(1)
		}
	}
	return nil
}

// cleanUp deletes what the test made, wherever it ended.
func (t *kubeTest) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if _, err := t.ns.Kubectl(ctx, "delete", "namespace", t.ns.Name, "--ignore-not-found", "--wait"); err != nil {
		t.board.Say("  ! namespace %s was not deleted: %v", t.ns.Name, err)
	}
}

// helm installs or upgrades with the values of the test and more.
func (t *kubeTest) helm(ctx context.Context, more ...string) error {
	args := []string{"upgrade", "--install", release, filepath.Join(t.at.Root, "k8s", "mall"), "--create-namespace",
		"--wait", "--wait-for-jobs", "--timeout", readyWithin, "--set", "images.repository=" + t.repository,
		"--set", "images.tag=" + t.tag, "--set", "networkPolicy.ingressNamespaces={" + t.ns.Name + "}"}
	for _, file := range t.values {
		args = append(args, "--values", file)
	}
	// Everybody in the test has one address.
	for _, name := range []string{"anonymous", "user", "signin", "account", "place", "declined", "declined_address"} {
		args = append(args, "--set-string", `settings.gateway\.rate\.`+name+"=10000/10000")
	}
	_, err := t.ns.Helm(ctx, append(args, more...)...)
	return err
}

func (t *kubeTest) install(ctx context.Context, s *steps.Step) error {
	began := time.Now()
	if err := t.helm(ctx); err != nil {
		pods, _ := t.ns.Kubectl(ctx, "get", "pods", "-o", "wide")
		events, _ := t.ns.Kubectl(ctx, "get", "events", "--field-selector", "type=Warning")
		return fmt.Errorf("%w\n%s\n%s", err, pods, events)
	}
	s.Note("all pods are ready after %s", time.Since(began).Round(time.Second))
	return nil
}

// counted is the count of now.
func (t *kubeTest) counted() shopped {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shopped
}

// shop starts the shoppers and returns once some have bought. They shop until stopShopping.
func (t *kubeTest) shop(ctx context.Context, s *steps.Step) error {
	if err := t.makeState(ctx); err != nil {
		return err
	}
	if err := t.ns.Apply(ctx, t.pod(shopper, "shop")); err != nil {
		return err
	}
	if _, err := t.ns.Kubectl(ctx, "wait", "pod/"+shopper, "--for=condition=Ready", "--timeout=2m"); err != nil {
		return err
	}
	go func() {
		_ = t.ns.Follow(ctx, shopper, func(line string) {
			var now shopped
			if json.Unmarshal([]byte(line), &now) == nil {
				t.mu.Lock()
				t.shopped = now
				t.mu.Unlock()
			}
		})
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		if n := t.counted(); n.Purchases >= 20 {
			s.Note("%d purchases, %d of %d requests failed", n.Purchases, n.Failed, n.Requests)
			if n.Failed > 0 {
				return errors.New(strings.Join(n.Examples, "\n"))
			}
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			out, _ := t.ns.Kubectl(ctx, "logs", shopper)
			return fmt.Errorf("nobody buys anything: %s", out)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// during does something while people shop, and returns what they met from its start until a while after it.
func (t *kubeTest) during(ctx context.Context, do func() error) (met shopped, err error) {
	before := t.counted()
	if err := do(); err != nil {
		return met, err
	}
	for wait := t.counted().Purchases + 50; t.counted().Purchases < wait; { // it goes on
		if err := ctx.Err(); err != nil {
			return met, err
		}
		time.Sleep(200 * time.Millisecond)
	}
	after := t.counted()
	return shopped{after.Purchases - before.Purchases, after.Requests - before.Requests, after.Failed - before.Failed,
		after.Lost - before.Lost, after.Examples}, nil
}

// deletePods deletes a pod of each service without warning, one service after the other.
func (t *kubeTest) deletePods(ctx context.Context, s *steps.Step) error {
	met, err := t.during(ctx, func() error {
		for _, svc := range contracts.Services {
			names, err := t.pods(ctx, svc.Name)
			if err != nil {
				return err
			}
			if _, err := t.ns.Kubectl(ctx, "delete", "pod", names[0], "--grace-period=0", "--force"); err != nil {
				return err
			}
			if _, err := t.ns.Kubectl(ctx, "rollout", "status", "deployment/"+svc.Name, "--timeout="+readyWithin); err != nil {
				return err
			}
		}
		return nil
	})
	s.Note("%d purchases; %d of %d requests failed once, %d purchases lost", met.Purchases, met.Failed, met.Requests,
		met.Lost)
	return errors.Join(err, t.nothingLost(met))
}

func (t *kubeTest) nothingLost(met shopped) error {
	if met.Lost > 0 {
		return fmt.Errorf("%d purchases were lost\n%s", met.Lost, strings.Join(met.Examples, "\n"))
	}
	return nil
}

// upgrade replaces every pod by helm; no request may fail.
func (t *kubeTest) upgrade(ctx context.Context, s *steps.Step) error {
	return t.withoutFailure(ctx, s, "--set", "podAnnotations.kube-test=upgraded")
}

// scale gives order and product a third replica; no request may fail.
func (t *kubeTest) scale(ctx context.Context, s *steps.Step) error {
	err := t.withoutFailure(ctx, s, "--set", "podAnnotations.kube-test=upgraded", "--set", "services.order.replicas=3",
		"--set", "services.product.replicas=3")
	for _, app := range []string{"order", "product"} {
		names, failed := t.pods(ctx, app)
		if failed == nil && len(names) != 3 {
			failed = fmt.Errorf("%s has %d pods, want 3", app, len(names))
		}
		err = errors.Join(err, failed)
	}
	return err
}

func (t *kubeTest) withoutFailure(ctx context.Context, s *steps.Step, flags ...string) error {
	before := len(t.counted().Examples)
	met, err := t.during(ctx, func() error { return t.helm(ctx, flags...) })
	s.Note("%d purchases; %d of %d requests failed", met.Purchases, met.Failed, met.Requests)
	if err == nil && met.Failed > 0 {
		err = fmt.Errorf("%d requests failed\n%s", met.Failed,
			strings.Join(met.Examples[min(before, len(met.Examples)):], "\n"))
	}
	return errors.Join(err, t.nothingLost(met))
}

// pods are the names of a service's pods that run.
func (t *kubeTest) pods(ctx context.Context, app string) (names []string, err error) {
	out, err := t.ns.Kubectl(ctx, "get", "pods", "-l", "app.kubernetes.io/name="+app, "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name              string
				DeletionTimestamp *time.Time
			}
			Status struct{ Phase string }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	for _, p := range list.Items {
		if p.Metadata.DeletionTimestamp == nil && p.Status.Phase == "Running" {
			names = append(names, p.Metadata.Name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no pod", app)
	}
	return names, nil
}

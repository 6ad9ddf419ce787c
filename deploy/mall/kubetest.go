package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/kubectl"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/steps"
)

// kubeTest is a test of the chart on a real cluster.
type kubeTest struct {
	ns         kubectl.Namespace
	at         layout.Layout
	values     []string
	manifests  []string // applied before the chart
	repository string
	tag        string
	from       struct{ repository, tag string } // of the version before
	shoppers   int
	keep       bool
	board      *steps.Progress

	mu       sync.Mutex
	shopped  shopped
	enforced bool // the cluster enforces network policies
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
		Long: "It deletes pods, upgrades, rolls back, scales, rotates a key, and calls what services must not call. " +
			"It needs kubectl and helm 3, a cluster with Dapr, and images that the cluster can pull or has: those of " +
			"`images`. It makes a namespace and deletes it at the end.",
		Example: "  kube-test --repository registry.example.org/daprmall --tag 1.2.3\n" +
			"  kube-test --tag 1.2.3 --from-tag 1.2.2\n" +
			"  kube-test --values my-stores.yaml --apply my-secrets.yaml --keep"}
	f := c.Flags()
	f.StringVar(&t.ns.Context, "context", "", "of kubectl's configuration (default: the current one)")
	f.StringVar(&t.ns.Name, "namespace", "mall-test", "which must not exist")
	f.StringSliceVar(&t.values, "values", nil, "files of values, for example where the stores are")
	f.StringSliceVar(&t.manifests, "apply", nil, "files of manifests to apply first, such as Secrets of your stores")
	f.StringVar(&t.repository, "repository", "daprmall", "of the images")
	f.StringVar(&t.tag, "tag", "dev", "of the images")
	f.StringVar(&t.from.tag, "from-tag", "", "of older images, to install and to upgrade from (default: --tag)")
	f.StringVar(&t.from.repository, "from-repository", "", "of older images (default: --repository)")
	f.IntVar(&t.shoppers, "shoppers", 8, "how many shop at once; fewer for a small or busy cluster")
	f.BoolVar(&t.keep, "keep", false, "leave everything at the end")
	c.RunE = here(func(ctx context.Context, at layout.Layout, _ []string) error {
		t.at, t.board = at, steps.New(ctx, os.Stdout)
		t.from.tag = cmp.Or(t.from.tag, t.tag)
		t.from.repository = cmp.Or(t.from.repository, t.repository)
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
		{"prepare", t.prepare}, {"install", t.install},
		{"shop", func(_ context.Context, s *steps.Step) error { return t.shop(shopping, s) }},
		{"isolate", t.isolate}, {"fault", t.deletePods}, {"upgrade", t.upgrade}, {"roll back", t.rollBack},
		{"upgrade", t.upgrade}, {"scale", t.scale}, {"rotate", t.rotate}, {"attack", t.attack},
		{"stop", t.stopShopping}, {"audit", t.audit}, {"uninstall", t.uninstall},
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

// prepare makes the namespace with what the chart expects there: the Secrets of stores from outside are the user's.
func (t *kubeTest) prepare(ctx context.Context, s *steps.Step) error {
	if _, err := t.ns.Kubectl(ctx, "create", "namespace", t.ns.Name); err != nil {
		return err
	}
	for _, file := range t.manifests {
		if _, err := t.ns.Kubectl(ctx, "apply", "-f", file); err != nil {
			return err
		}
	}
	s.Note("%d files applied", len(t.manifests))
	return nil
}

func (t *kubeTest) install(ctx context.Context, s *steps.Step) error {
	began := time.Now()
	if err := t.helm(ctx, "--set", "images.repository="+t.from.repository, "--set", "images.tag="+t.from.tag); err != nil {
		pods, _ := t.ns.Kubectl(ctx, "get", "pods", "-o", "wide")
		events, _ := t.ns.Kubectl(ctx, "get", "events", "--field-selector", "type=Warning")
		return fmt.Errorf("%w\n%s\n%s", err, pods, events)
	}
	s.Note("all pods are ready after %s", time.Since(began).Round(time.Second))
	return nil
}

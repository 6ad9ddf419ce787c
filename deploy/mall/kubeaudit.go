package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/layout"
)

func kubeAuditCommand() *cobra.Command {
	var t kubeTest
	c := &cobra.Command{Use: "kube-audit", Args: cobra.NoArgs,
		Short: "Check that all data of a mall on a cluster agree, by a pod beside it",
		Long: "It needs kubectl, and the image kubetest. It makes the Secret and the pod " + auditor +
			" and deletes them at the end. Exit 1 on any violation.",
		Example: "  kube-audit --namespace mall --repository registry.example.org/daprmall --tag 1.2.3"}
	f := c.Flags()
	f.StringVar(&t.ns.Context, "context", "", "of kubectl's configuration (default: the current one)")
	f.StringVar(&t.ns.Name, "namespace", "mall", "of the mall")
	f.StringVar(&t.repository, "repository", "daprmall", "of the image kubetest")
	f.StringVar(&t.tag, "tag", "dev", "of the image kubetest")
	c.RunE = here(func(ctx context.Context, _ layout.Layout, _ []string) error {
		if err := t.makeState(ctx); err != nil {
			return err
		}
		report, balanced, err := t.books(ctx)
		fmt.Print(report)
		_, failed := t.ns.Kubectl(context.WithoutCancel(ctx), "delete", "pod/"+auditor, "secret/"+stateSecret)
		if err := errors.Join(err, failed); err != nil {
			return err
		}
		if !balanced {
			return exitCode(1)
		}
		return nil
	})
	return c
}

// books audits in a pod, and returns what it says.
func (t *kubeTest) books(ctx context.Context) (report string, balanced bool, err error) {
	instance, err := t.ns.Kubectl(ctx, "get", "deployment/api-gateway", "-o",
		`jsonpath={.metadata.labels.app\.kubernetes\.io/instance}`)
	if err != nil {
		return "", false, err
	}
	// The chart's network policies let a pod with these labels reach the stores.
	if err := t.ns.Apply(ctx, t.pod(auditor, map[string]string{"app.kubernetes.io/part-of": "mall",
		"app.kubernetes.io/instance": instance, "app.kubernetes.io/name": "audit"}, "audit")); err != nil {
		return "", false, err
	}
	for deadline := time.Now().Add(4 * time.Minute); ; {
		phase, err := t.ns.Kubectl(ctx, "get", "pod", auditor, "-o", "jsonpath={.status.phase}")
		if err != nil {
			return "", false, err
		}
		over := time.Now().After(deadline)
		if phase == "Succeeded" || phase == "Failed" || over {
			report, err = t.ns.Kubectl(ctx, "logs", auditor)
			if err == nil && over {
				err = errors.New("the audit does not end")
			}
			return report, phase == "Succeeded", err
		}
		time.Sleep(time.Second)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"daprmall.dev/deploy/internal/steps"
)

// stopShopping lets the purchases end that have begun.
func (t *kubeTest) stopShopping(ctx context.Context, s *steps.Step) error {
	if _, err := t.ns.Kubectl(ctx, "delete", "pod", shopper, "--wait", "--timeout=2m"); err != nil {
		return err
	}
	n := t.counted()
	s.Note("%d purchases in all, %d of %d requests failed, %d purchases lost", n.Purchases, n.Failed, n.Requests, n.Lost)
	return t.nothingLost(n)
}

// audit compares the books where the databases are.
func (t *kubeTest) audit(ctx context.Context, s *steps.Step) error {
	report, balanced, err := t.books(ctx)
	if err == nil && !balanced {
		err = errors.New(report)
	}
	s.Note("the books balance")
	return err
}

// uninstall leaves the Secrets, and volumes of stores.
func (t *kubeTest) uninstall(ctx context.Context, s *steps.Step) error {
	if _, err := t.ns.Helm(ctx, "uninstall", release, "--wait", "--timeout", "5m"); err != nil {
		return err
	}
	out, err := t.ns.Kubectl(ctx, "get",
		"deployments,statefulsets,services,jobs,components.dapr.io,configurations.dapr.io,subscriptions.dapr.io,"+
			"resiliencies.dapr.io,networkpolicies,poddisruptionbudgets,serviceaccounts,roles,rolebindings",
		"-l", "app.kubernetes.io/part-of=mall", "-o", "name")
	left := strings.Fields(out)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s are left", strings.Join(left, ", "))
	}
	s.Note("only the Secrets are left")
	return err
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/services/contracts"
)

// deletePods deletes a pod of each service without warning, one service after the other.
func (t *kubeTest) deletePods(ctx context.Context, s *steps.Step) error {
	met, err := t.during(ctx, func() error {
		for _, svc := range contracts.Services {
			pods, err := t.pods(ctx, svc.Name)
			if err != nil {
				return err
			}
			if _, err := t.ns.Kubectl(ctx, "delete", "pod", pods[0].name, "--grace-period=0", "--force"); err != nil {
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

// upgraded is a value that replaces every pod, also if the images are the same.
const upgraded = "podAnnotations.kube-test=upgraded"

// upgrade replaces every pod by one of the new version; no request may fail.
func (t *kubeTest) upgrade(ctx context.Context, s *steps.Step) error {
	err := t.withoutFailure(ctx, s, func() error { return t.helm(ctx, "--set", upgraded) })
	return errors.Join(err, t.runs(ctx, t.repository, t.tag))
}

// rollBack returns to what was installed, whose programs must live with the new databases; no request may fail.
func (t *kubeTest) rollBack(ctx context.Context, s *steps.Step) error {
	err := t.withoutFailure(ctx, s, func() error {
		_, err := t.ns.Helm(ctx, "rollback", release, "--wait", "--wait-for-jobs", "--timeout", readyWithin)
		return err
	})
	return errors.Join(err, t.runs(ctx, t.from.repository, t.from.tag))
}

// scale gives order and product a third replica; no request may fail.
func (t *kubeTest) scale(ctx context.Context, s *steps.Step) error {
	err := t.withoutFailure(ctx, s, func() error {
		return t.helm(ctx, "--set", upgraded, "--set", "services.order.replicas=3", "--set", "services.product.replicas=3")
	})
	for _, app := range []string{"order", "product"} {
		pods, failed := t.pods(ctx, app)
		if failed == nil && len(pods) != 3 {
			failed = fmt.Errorf("%s has %d pods, want 3", app, len(pods))
		}
		err = errors.Join(err, failed)
	}
	return err
}

// runs checks that every service has pods of one version only.
func (t *kubeTest) runs(ctx context.Context, repository, tag string) error {
	for _, svc := range contracts.Services {
		pods, err := t.pods(ctx, svc.Name)
		if err != nil {
			return err
		}
		want := repository + "/" + svc.Name + ":" + tag
		for _, pod := range pods {
			if pod.image != want {
				return fmt.Errorf("%s runs %s, want %s", pod.name, pod.image, want)
			}
		}
	}
	return nil
}

// servicePod is a pod of a service.
type servicePod struct{ name, image string }

// pods are those of a service that run and stay.
func (t *kubeTest) pods(ctx context.Context, app string) (pods []servicePod, err error) {
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
			Spec struct {
				Containers []struct{ Name, Image string }
			}
			Status struct{ Phase string }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	for _, p := range list.Items {
		for _, c := range p.Spec.Containers {
			if c.Name == app && p.Metadata.DeletionTimestamp == nil && p.Status.Phase == "Running" {
				pods = append(pods, servicePod{p.Metadata.Name, c.Image})
			}
		}
	}
	if len(pods) == 0 {
		return nil, fmt.Errorf("%s has no pod", app)
	}
	return pods, nil
}

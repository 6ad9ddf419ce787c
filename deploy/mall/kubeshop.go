package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/steps"
)

// shopped is what deploy/kubetest has counted.
type shopped struct {
	Purchases, Requests, Failed, Lost int
	Examples                          []string
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
	outside := map[string]string{"app.kubernetes.io/part-of": "kube-test"}
	if err := t.ns.Apply(ctx, t.pod(shopper, outside, "shop", "-shoppers", strconv.Itoa(t.shoppers))); err != nil {
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

// withoutFailure makes a change during which no request may fail.
func (t *kubeTest) withoutFailure(ctx context.Context, s *steps.Step, change func() error) error {
	met, err := t.during(ctx, change)
	s.Note("%d purchases; %d of %d requests failed", met.Purchases, met.Failed, met.Requests)
	if err == nil && met.Failed > 0 {
		err = fmt.Errorf("%d requests failed\n%s", met.Failed,
			strings.Join(met.Examples[max(0, len(met.Examples)-met.Failed):], "\n"))
	}
	return errors.Join(err, t.nothingLost(met))
}

func (t *kubeTest) nothingLost(met shopped) error {
	if met.Lost > 0 {
		return fmt.Errorf("%d purchases were lost\n%s", met.Lost, strings.Join(met.Examples, "\n"))
	}
	return nil
}

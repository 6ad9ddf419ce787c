package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/contractstest"
)

// sidecarPort is that of a sidecar's HTTP API in its pod.
const sidecarPort = 3500

// attack calls every route between services in the name of every service, through its own sidecar and with its own
// token and keys. What the contracts do not list must be refused: by the service or its sidecar, or, between services
// that have nothing to do with each other, by a network whose policies are enforced.
func (t *kubeTest) attack(ctx context.Context, s *steps.Step) error {
	let, refused, byNetwork := 0, 0, 0
	var wrong []error
	for _, caller := range contracts.Services {
		token, err := t.ns.Secret(ctx, caller.Name+"-dapr-token")
		if err != nil {
			return err
		}
		peers, err := t.ns.Secret(ctx, caller.Name+"-peers")
		if err != nil {
			return err
		}
		addr, stop, err := t.ns.Forward(ctx, "deployment/"+caller.Name, sidecarPort)
		if err != nil {
			return err
		}
		for _, r := range contractstest.Routes() {
			if r.Service == caller.Name {
				continue
			}
			status, body, err := invoke(ctx, addr, r.Method, "/v1.0/invoke/"+r.Service+"/method"+r.Path,
				"dapr-api-token", token["token"], "Mall-Caller-Key", peers[r.Service])
			if err != nil {
				stop()
				return err
			}
			denied := status == http.StatusForbidden && (strings.Contains(body, "access control policy has denied access") ||
				strings.Contains(body, "caller_not_allowed"))
			cut := status == http.StatusInternalServerError && strings.Contains(body, "ERR_DIRECT_INVOKE")
			allowed := r.Callers == nil || slices.Contains(r.Callers, caller.Name)
			if allowed && (denied || cut) || !allowed && !denied && !(cut && t.enforced) {
				wrong = append(wrong, fmt.Errorf("%s calls %s %s of %s: %d %s", caller.Name, r.Method, r.Path, r.Service, status,
					body))
			}
			if allowed {
				let++
			} else {
				refused++
				if cut {
					byNetwork++
				}
			}
		}
		stop()
	}
	s.Note("%d calls let through, %d refused, %d of these by the network", let, refused, byNetwork)
	return errors.Join(wrong...)
}

// invoke sends a request; headers are name, value pairs.
func invoke(ctx context.Context, addr, method, path string, headers ...string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, bytes.NewReader([]byte("{}")))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}

// rotate makes auth sign with a new key while people shop; no request may fail.
func (t *kubeTest) rotate(ctx context.Context, s *steps.Step) error {
	app, err := t.ns.Secret(ctx, "auth-app-token")
	if err != nil {
		return err
	}
	operator, err := t.ns.Secret(ctx, "auth-dapr-token")
	if err != nil {
		return err
	}
	met, err := t.during(ctx, func() error {
		addr, stop, err := t.ns.Forward(ctx, "deployment/auth", 8080)
		if err != nil {
			return err
		}
		defer stop()
		status, body, err := invoke(ctx, addr, http.MethodPost, "/operator/keys/rotate", "dapr-api-token", app["token"],
			"Authorization", "Bearer "+operator["token"])
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("auth answered %d %s", status, body)
		}
		return err
	})
	s.Note("a new key is published; %d of %d requests failed", met.Failed, met.Requests)
	if err == nil && met.Failed > 0 {
		err = errors.New(strings.Join(met.Examples, "\n"))
	}
	return err
}

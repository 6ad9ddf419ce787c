package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/contractstest"
)

// makeState gives the pods of the test what they need to know of the mall.
func (t *kubeTest) makeState(ctx context.Context) error {
	m := running.Mall{Gateway: "http://api-gateway", Databases: map[string]string{}}
	for _, name := range contracts.Databases() {
		secret, err := t.ns.Secret(ctx, name+"-db")
		if err != nil {
			return err
		}
		m.Databases[name] = secret["dsn"]
	}
	password, err := t.ns.Kubectl(ctx, "get", "deployment/product", "-o",
		"jsonpath={.spec.template.spec.initContainers[0]"+
			`.env[?(@.name=="REDISLUA_REDIS_PASSWORD")].valueFrom.secretKeyRef.name}`)
	if err != nil {
		return err
	}
	redis, err := t.ns.Secret(ctx, password)
	if err != nil {
		return err
	}
	m.Redis.Password = redis["password"]
	if m.Redis.Addr, err = t.ns.Kubectl(ctx, "get", "component/carts", "-o",
		`jsonpath={.spec.metadata[?(@.name=="redisHost")].value}`); err != nil {
		return err
	}
	admin, err := t.ns.Secret(ctx, "first-admin")
	if err != nil {
		return err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := t.admit(ctx); err != nil {
		return err
	}
	return t.ns.Apply(ctx, map[string]any{"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]any{"name": "kube-test"},
		"stringData": map[string]string{"state.json": string(raw), "first-admin": admin["secret"]}})
}

// pod runs deploy/kubetest with what makeState wrote.
func (t *kubeTest) pod(name string, args ...string) any {
	run := t.container(args)
	run["env"] = []any{map[string]string{"name": "MALL_STATE", "value": "/state/state.json"},
		map[string]any{"name": "FIRST_ADMIN", "valueFrom": map[string]any{
			"secretKeyRef": map[string]string{"name": "kube-test", "key": "first-admin"}}}}
	run["volumeMounts"] = []any{map[string]any{"name": "state", "mountPath": "/state", "readOnly": true}}
	return manifest(name, map[string]string{partOf: "kube-test"}, map[string]any{
		"terminationGracePeriodSeconds": 90, "containers": []any{run},
		"volumes": []any{map[string]any{"name": "state", "secret": map[string]string{"secretName": "kube-test"}}}})
}

// partOf is the label of what belongs together.
const partOf = "app.kubernetes.io/part-of"

// manifest is that of a pod that runs once.
func manifest(name string, labels map[string]string, spec map[string]any) any {
	spec["restartPolicy"], spec["automountServiceAccountToken"] = "Never", false
	return map[string]any{"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": name, "labels": labels}, "spec": spec}
}

// container runs deploy/kubetest.
func (t *kubeTest) container(args []string) map[string]any {
	secure := map[string]any{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
		"capabilities":   map[string]any{"drop": []string{"ALL"}},
		"seccompProfile": map[string]string{"type": "RuntimeDefault"}}
	return map[string]any{"name": "kubetest", "image": t.repository + "/kubetest:" + t.tag,
		"imagePullPolicy": "IfNotPresent", "args": args, "securityContext": secure}
}

// sidecarPort is that of a sidecar's HTTP API in its pod.
const sidecarPort = 3500

// attack calls every route between services in the name of every service, through its own sidecar and with its own
// token and keys. What the contracts do not list must be refused.
func (t *kubeTest) attack(ctx context.Context, s *steps.Step) error {
	let, refused := 0, 0
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
			allowed := r.Callers == nil || slices.Contains(r.Callers, caller.Name)
			if denied == allowed {
				wrong = append(wrong, fmt.Errorf("%s calls %s %s of %s: %d %s", caller.Name, r.Method, r.Path, r.Service, status,
					body))
			}
			if allowed {
				let++
			} else {
				refused++
			}
		}
		stop()
	}
	s.Note("%d calls let through, %d refused", let, refused)
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

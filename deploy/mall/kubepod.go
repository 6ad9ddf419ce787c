package main

import (
	"context"
	"encoding/json"

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts"
)

// stateSecret has what the pods of the test need to know of the mall.
const stateSecret = "kube-test"

// makeState makes stateSecret.
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
	return t.ns.Apply(ctx, map[string]any{"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]any{"name": stateSecret},
		"stringData": map[string]string{"state.json": string(raw), "first-admin": admin["secret"]}})
}

// pod runs deploy/kubetest with what makeState wrote.
func (t *kubeTest) pod(name string, labels map[string]string, args ...string) any {
	run := t.container(args)
	run["env"] = []any{map[string]string{"name": "MALL_STATE", "value": "/state/state.json"},
		map[string]any{"name": "FIRST_ADMIN", "valueFrom": map[string]any{
			"secretKeyRef": map[string]string{"name": stateSecret, "key": "first-admin"}}}}
	run["volumeMounts"] = []any{map[string]any{"name": "state", "mountPath": "/state", "readOnly": true}}
	return manifest(name, labels, map[string]any{"terminationGracePeriodSeconds": 90, "containers": []any{run},
		"volumes": []any{map[string]any{"name": "state", "secret": map[string]string{"secretName": stateSecret}}}})
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

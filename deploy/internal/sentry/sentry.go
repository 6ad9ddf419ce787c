// Package sentry brings up Dapr's certificate authority, which gives each sidecar a certificate with the id of its app
// (mTLS, docs/adr/0042).
package sentry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/supervise"
)

// Name is that of the process.
const Name = "sentry"

// Dapr's names for whose certificates are whose: spiffe://public/ns/default/order is the sidecar of order.
const (
	namespace   = "default"
	trustDomain = "public"    // of apps
	ownDomain   = "localhost" // of sentry, what a sidecar expects by default
)

// Instance is the certificate authority of one mall.
type Instance struct {
	Binary string
	Dir    string // certificates, key, tokens and configuration
	Port   int
	Health int // the port of its health check
}

// Prepare writes its directory for these apps. Root and issuer are kept over starts. Tokens are new at each start.
func (i Instance) Prepare(apps []string) error {
	if err := os.MkdirAll(i.tokens(), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(i.Dir, 0o700); err != nil {
		return err
	}
	if err := certificates(i.Dir); err != nil {
		return err
	}
	keys, err := writeTokens(i.tokens(), apps)
	if err != nil {
		return err
	}
	return i.configure(keys)
}

// configure names the key that signed the tokens. Without it sentry would give everybody a certificate in any name.
func (i Instance) configure(keys []byte) error {
	validator := map[string]any{"name": "jwks",
		"options": map[string]string{"source": base64.StdEncoding.EncodeToString(keys)}}
	text, err := json.Marshal(map[string]any{"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration",
		"metadata": map[string]string{"name": Name},
		"spec":     map[string]any{"mtls": map[string]any{"enabled": true, "tokenValidators": []any{validator}}}})
	if err != nil {
		return err
	}
	return os.WriteFile(i.configuration(), text, 0o600)
}

func (i Instance) tokens() string        { return filepath.Join(i.Dir, "tokens") }
func (i Instance) configuration() string { return filepath.Join(i.Dir, "sentry.yaml") }

// Spec is how it is kept running.
func (i Instance) Spec(log string, env ...string) supervise.Spec {
	return supervise.Spec{Name: Name, Kind: Name, Path: i.Binary, Dir: i.Dir, Log: log, Port: i.Port,
		Args: []string{"--port", strconv.Itoa(i.Port), "--listen-address", "127.0.0.1",
			"--healthz-port", strconv.Itoa(i.Health), "--healthz-listen-address", "127.0.0.1", "--enable-metrics=false",
			"--config", i.configuration(), "--issuer-credentials", i.Dir, "--trust-domain", ownDomain,
			"--log-level", "warn", "--log-as-json"},
		Env:   append([]string{"PATH=/usr/bin:/bin", "NAMESPACE=" + namespace}, env...),
		Ports: map[string]int{Name: i.Port, "health": i.Health},
		Stop:  syscall.SIGTERM, Orphan: syscall.SIGKILL, Patience: 10 * time.Second}
}

// Wait returns when it signs certificates.
func (i Instance) Wait(ctx context.Context) error {
	client := http.Client{Timeout: 2 * time.Second}
	for {
		err := i.ready(ctx, &client)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("sentry is not ready"), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (i Instance) ready(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/healthz", i.Health), nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // nothing is read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("its health check answers %d", res.StatusCode)
	}
	return nil
}

// Sidecar returns the flags and the environment with which the sidecar of an app gets its certificate.
func (i Instance) Sidecar(app string) (args, env []string, err error) {
	root, err := os.ReadFile(filepath.Join(i.Dir, rootFile))
	if err != nil {
		return nil, nil, err
	}
	return []string{"--enable-mtls", "--sentry-address", "127.0.0.1:" + strconv.Itoa(i.Port)},
		[]string{"NAMESPACE=" + namespace, "DAPR_TRUST_ANCHORS=" + string(root),
			"DAPR_SENTRY_TOKEN_FILE=" + filepath.Join(i.tokens(), app)}, nil
}

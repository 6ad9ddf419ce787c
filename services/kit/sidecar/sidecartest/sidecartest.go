// Package sidecartest starts real sidecars for the tests of what is behind them: an SMTP server, a bucket, a component.
package sidecartest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/freeport"
	"daprmall.dev/services/kit/sidecar"
)

// Sidecar is a sidecar to start.
type Sidecar struct {
	App        string
	Components []string                     // files below Folder, such as smtp/mail.yaml
	Folder     string                       // of the project's components: ../../../../components
	Secrets    map[string]map[string]string // what the secret store has: name, key, value
	Env        []string                     // NAME=value, beside PATH
}

// Start starts the sidecar with local/secrets.yaml and the components, and returns a client of it when it is ready. It
// ends with the test; if that has failed, its output is logged.
func Start(t testing.TB, s Sidecar) *sidecar.Client {
	t.Helper()
	daprd := Program(t, "MALL_TEST_DAPRD", "daprd")
	dir := t.TempDir()
	secrets, err := json.Marshal(s.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	secretsFile := write(t, filepath.Join(dir, "secrets.json"), string(secrets))
	resources := filepath.Join(dir, "resources")
	for _, name := range append([]string{"local/secrets.yaml"}, s.Components...) {
		text, err := os.ReadFile(filepath.Join(filepath.FromSlash(s.Folder), filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(resources, filepath.Base(name)),
			strings.ReplaceAll(string(text), ".mall/secrets.json", secretsFile))
	}
	settings := write(t, filepath.Join(dir, "config.yaml"), "{apiVersion: dapr.io/v1alpha1, kind: Configuration, "+
		"metadata: {name: "+s.App+"}, spec: {nameResolution: {component: sqlite, version: v1, configuration: "+
		"{connectionString: "+filepath.Join(dir, "names.db")+"}}}}")
	env := config.Env{AppID: s.App, DaprHTTPPort: Port(t), DaprGRPCPort: Port(t)}
	Run(t, exec.Command(daprd, "--app-id", env.AppID, //nolint:noctx // Run ends it
		"--resources-path", resources, "--config", settings,
		"--dapr-http-port", strconv.Itoa(env.DaprHTTPPort), "--dapr-grpc-port", strconv.Itoa(env.DaprGRPCPort),
		"--dapr-internal-grpc-port", strconv.Itoa(Port(t)), "--enable-metrics=false",
		"--dapr-listen-addresses", "127.0.0.1", "--dapr-internal-grpc-listen-address", "127.0.0.1", "--log-level", "error"),
		append([]string{"DAPR_HOST_IP=127.0.0.1", "PATH=/usr/bin:/bin"}, s.Env...)...)
	client, err := sidecar.New(env)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return client
}

func write(t testing.TB, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil { //nolint:gosec // a file of the test
		t.Fatal(err)
	}
	return file
}

// Program returns the path of a program: the value of the variable, or else the one of this name in PATH. Without it
// the test fails; with -short it is skipped.
func Program(t testing.TB, variable, name string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if testing.Short() {
			t.Skipf("needs %s", name)
		}
		t.Fatalf("%s is not set and there is no %s: run the tests with `go run ./deploy/mall test`", variable, name)
	}
	return path
}

// Run runs a process, with this environment alone, until the test ends. If the test has failed, its output is logged.
func Run(t testing.TB, cmd *exec.Cmd, env ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(cmd.Path), said)
		}
		_ = log.Close()
	})
}

// Port returns a port of 127.0.0.1 on which nobody listens.
func Port(t testing.TB) int {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

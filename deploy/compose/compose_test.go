package compose

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"

	"daprmall.dev/deploy/internal/containers"
	"daprmall.dev/deploy/internal/runfile"
	"daprmall.dev/services/contracts"
)

var update = flag.Bool("update", false, "write the services of compose.yaml")

const (
	file   = "compose.yaml"
	marker = "  # All below is generated: go test ./deploy/compose -update\n"
)

// apps is the generated end of the file.
const apps = `{{range .}}
  {{.ID}}-pod:
    <<: *pod
{{- if .Edge}}
    command: [--metrics, "http://127.0.0.1:8099/metrics"]
    ports: ["${MALL_BIND:-127.0.0.1}:${MALL_PORT:-8080}:8080"]
{{- end}}
    networks:
      mall: {aliases: [{{.ID}}]}
{{- if .Outside}}
      outside:
{{- end}}
  {{.ID}}:
    <<: *app
    image: ${MALL_IMAGES:-daprmall}/{{.ID}}:${MALL_TAG:-dev}
    entrypoint: [/mall/bin/setup, run, --env-file, /mall/{{.ID}}/env, --, /app]
    user: "{{user .ID}}:{{user .ID}}"
    network_mode: service:{{.ID}}-pod
{{- if .Edge}}
    environment:
      <<: *app-environment
      APP_ID: {{.ID}}
      APP_INSTANCE: {{.ID}}
      APP_HOST: 0.0.0.0
      OPERATOR_PORT: "8099"
      PICTURES_DIR: /pictures
      GOMEMLIMIT: 200MiB
    volumes:
      - mall:/mall:ro
      - ../seed/pictures:/pictures:ro # of the demo products
{{- else}}
    environment: {<<: *app-environment, APP_ID: {{.ID}}, APP_INSTANCE: {{.ID}}{{if .Large}}, GOMEMLIMIT: 300MiB{{end}}}
    volumes: ["mall:/mall:ro"]
{{- end}}
{{- if .Large}}
    mem_limit: 384m # {{.Large}}
{{- end}}
    depends_on: &{{.ID}}-needs
      {{.ID}}-pod: {condition: service_started, restart: true}
      servers: {condition: service_completed_successfully}
{{- if .Lua}}
  {{component .ID}}:
    <<: *component
    entrypoint: [/mall/bin/setup, run, --env-file, /mall/{{component .ID}}/env, --, /app]
    user: "{{user (component .ID)}}:{{user (component .ID)}}"
    network_mode: service:{{.ID}}-pod
    environment:
      APP_INSTANCE: {{.ID}}
      REDISLUA_SOCKET: /tmp/dapr-components-sockets/redislua.sock
      GOMEMLIMIT: 64MiB
    volumes:
      - mall:/mall:ro
      - {{.ID}}-sockets:/tmp/dapr-components-sockets
    depends_on: *{{.ID}}-needs
{{- end}}
  {{sidecar .ID}}:
    <<: *sidecar
    entrypoint:
      - /mall/bin/setup
      - run
      - --env-file=/mall/{{sidecar .ID}}/env
{{- if .Lua}}
      - --wait-socket=/tmp/dapr-components-sockets/redislua.sock
{{- end}}
      - --
      - /daprd
    command:
      - --app-id={{.ID}}
      - --app-port=8080
      - --app-protocol={{.Protocol}}
      - --app-channel-address=127.0.0.1
      - --dapr-listen-addresses=127.0.0.1
      - --dapr-http-port=3500
      - --dapr-grpc-port=50001
      - --dapr-internal-grpc-listen-address=0.0.0.0 # for other sidecars
      - --dapr-internal-grpc-port=50002
      - --metrics-listen-address=0.0.0.0
      - --metrics-port=9090
      - --config=/mall/{{sidecar .ID}}/config.yaml
      - --resources-path=/mall/{{sidecar .ID}}/resources
      - --log-level={{.LogLevel}}
      - --log-as-json
      - --max-body-size={{.MaxBody}}
      - --read-buffer-size={{.ReadBuffer}}
      - --dapr-graceful-shutdown-seconds=10
      - --enable-app-health-check
      - --app-health-check-path={{.HealthPath}}
      - --app-health-probe-interval={{.ProbeInterval}}
      - --app-health-probe-timeout={{.ProbeTimeout}}
      - --app-health-threshold={{.Threshold}}
    user: "{{user (sidecar .ID)}}:{{user (sidecar .ID)}}"
{{- if .Lua}}
    group_add: ["{{user (component .ID)}}"] # whose socket it is
{{- end}}
    network_mode: service:{{.ID}}-pod
{{- if or .Lua .Folders}}
    volumes:
      - mall:/mall:ro
{{- if .Lua}}
      - {{.ID}}-sockets:/tmp/dapr-components-sockets
{{- end}}
{{- $id := .ID}}
{{- range .Folders}}
      - {{.}}:/mall/{{sidecar $id}}/{{.}}
{{- end}}
{{- else}}
    volumes: ["mall:/mall:ro"]
{{- end}}
    depends_on: *{{.ID}}-needs
{{end}}`

// app is what the template is filled with.
type app struct {
	runfile.App
	Edge, Lua, Outside bool
	Folders            []string
	Large              string // why it needs more memory than others
}

func generated(t *testing.T) string {
	t.Helper()
	run, err := runfile.Read(filepath.Join("..", "..", "dapr.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []app
	for _, a := range run {
		s, known := contracts.Find(a.ID)
		if !known {
			t.Fatalf("%s is in dapr.yaml and not in services/contracts", a.ID)
		}
		large := ""
		switch {
		case a.MaxBody != "4Mi":
			large = "files of products"
		case slices.Contains(s.Secrets, "first-admin"):
			large = "passwords are hashed with 19 MiB each"
		}
		all = append(all, app{App: a, Edge: s.Edge, Lua: containers.HasComponent(a.ID), Folders: s.Folders(),
			Outside: s.Edge || slices.Contains(s.Components, "mail") || slices.Contains(s.Secrets, "stripe"), Large: large})
	}
	var out bytes.Buffer
	functions := template.FuncMap{"user": containers.User, "sidecar": containers.Sidecar,
		"component": containers.Component}
	if err := template.Must(template.New("").Funcs(functions).Parse(apps)).Execute(&out, all); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The apps of compose.yaml are those of dapr.yaml and of services/contracts, with the same flags for their sidecars.
func TestTheServicesAreThoseOfTheContracts(t *testing.T) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(raw), marker)
	if !found {
		t.Fatalf("%s has no line %q", file, marker)
	}
	want := generated(t)
	if *update {
		if err := os.WriteFile(file, []byte(before+marker+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if after != want {
		t.Errorf("%s differs from services/contracts and dapr.yaml: go test ./deploy/compose -update", file)
	}
}

// service is what the tests read of a service.
type service struct {
	Image       string
	User        string
	Ports       []string
	Profiles    []string
	Privileged  bool
	NetworkMode string   `yaml:"network_mode"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	MemLimit    string   `yaml:"mem_limit"`
	Healthcheck struct{ Test []string }
	Restart     string
}

func services(t *testing.T) map[string]service {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Services map[string]service }
	if err := yaml.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	return f.Services
}

// Only the gateway can be reached from outside, and a container that is taken over can do little.
func TestOnlyTheGatewayIsPublished(t *testing.T) {
	for name, s := range services(t) {
		if published := len(s.Ports) > 0; published != (name == "api-gateway-pod") {
			t.Errorf("%s publishes %v", name, s.Ports)
		}
		if !s.ReadOnly || s.Privileged || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.MemLimit == "" {
			t.Errorf("%s is not confined: %+v", name, s)
		}
		if len(s.CapAdd) > 0 && name != "files" {
			t.Errorf("%s has capabilities %v", name, s.CapAdd)
		}
		if s.NetworkMode == "host" {
			t.Errorf("%s uses the network of the machine", name)
		}
	}
}

// Each container has a user of its own, the one to whom setup gives its files.
func TestEachContainerReadsItsOwnFiles(t *testing.T) {
	users := map[string]string{}
	all := services(t)
	for name, s := range all {
		if id := containers.User(name); id != 0 && name != containers.Grafana && s.User != fmt.Sprintf("%d:%d", id, id) {
			t.Errorf("%s runs as %s, its files are those of %d", name, s.User, id)
		}
		if strings.HasSuffix(name, "-pod") || name == "files" || name == "servers" || name == "setup" ||
			name == "kafka-format" {
			continue // pods read nothing, the next three everything
		}
		if other := users[s.User]; other != "" || s.User == "" {
			t.Errorf("%s runs as %q, as %s does", name, s.User, other)
		}
		users[s.User] = name
	}
	for _, name := range containers.Apps() {
		for _, container := range []string{name, containers.Sidecar(name), name + "-pod"} {
			if _, there := all[container]; !there {
				t.Errorf("there is no container %s", container)
			}
		}
	}
}

// What goes on running says whether it is healthy. A pod does nothing that could fail.
func TestEveryContainerHasAHealthCheck(t *testing.T) {
	for name, s := range services(t) {
		if s.Restart == "unless-stopped" && !strings.HasSuffix(name, "-pod") && len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
	}
}

// The documentation names the memory that all containers may use.
func TestTheDocumentedMemoryIsTheSum(t *testing.T) {
	sums := map[string]int{}
	for name, s := range services(t) {
		mb, err := strconv.Atoi(strings.TrimSuffix(s.MemLimit, "m"))
		if err != nil {
			t.Fatalf("%s: mem_limit %q", name, s.MemLimit)
		}
		if s.Restart != "unless-stopped" { // it has ended when the others run
			continue
		}
		sums[strings.Join(s.Profiles, " ")] += mb
	}
	doc, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range []string{"", "kafka", "observability"} {
		if !regexp.MustCompile(fmt.Sprintf(`\b%d MiB\b`, sums[profile])).Match(doc) {
			t.Errorf("deploy/README.md does not say that the containers of profile %q may use %d MiB", profile, sums[profile])
		}
	}
}

// Compose accepts the file, where it is installed.
func TestComposeReadsTheFile(t *testing.T) {
	if exec.Command("docker", "compose", "version").Run() != nil {
		t.Skip("`docker compose` is not installed here")
	}
	out, err := exec.CommandContext(t.Context(), "docker", "compose", "--file", file, "--profile", "*", "config",
		"--quiet").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("docker compose config: %v: %s", err, out)
	}
}

// Alerts and the dashboard ask for metrics that the programs have.
func TestAlertsAndDashboardNameRealMetrics(t *testing.T) {
	real := map[string]bool{}
	name := regexp.MustCompile(`"(mall_[a-z_]+)"`)
	for _, dir := range []string{"services", "api-gateway"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || filepath.Ext(path) != ".go" {
				return err
			}
			text, err := os.ReadFile(path)
			for _, found := range name.FindAllStringSubmatch(string(text), -1) {
				real[found[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "k8s", "mall", "monitoring", file))
		if err != nil {
			t.Fatal(err)
		}
		asked := regexp.MustCompile(`\bmall_[a-z_]+`).FindAllString(string(text), -1)
		if len(asked) < 10 {
			t.Errorf("%s asks for %v only", file, asked)
		}
		for _, metric := range asked {
			series := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(metric, "")
			if !real[metric] && !real[series] {
				t.Errorf("%s asks for %s, which no program has", file, metric)
			}
		}
	}
}

// Prometheus asks every pod and every sidecar.
func TestPrometheusAsksEveryService(t *testing.T) {
	raw, err := os.ReadFile("prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range containers.Apps() {
		for _, port := range []string{"9464", "9090"} {
			if !strings.Contains(string(raw), name+":"+port) {
				t.Errorf("prometheus.yml does not ask %s:%s", name, port)
			}
		}
	}
}

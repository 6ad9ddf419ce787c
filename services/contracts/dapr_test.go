package contracts_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/server"
)

// daprFiles returns the Dapr files that are generated from Services and Topics, by their path relative to this
// directory. Of some files only the lines that name services or topics are generated.
func daprFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{
		"../../dapr-config/subscriptions.yaml":         fill(t, subscriptions, contracts.Services),
		"../../components/rocketmq/subscriptions.yaml": rocketSubscriptions(fill(t, subscriptions, contracts.Services)),
		"../../dapr-config/resiliency.yaml":            resiliency(t),
		"../../dapr.yaml":                              runFile(t),
	}
	for _, s := range contracts.Services {
		files["../../dapr-config/"+s.Name+".yaml"] = sidecarConfiguration(t, s, onOneMachine)
		files["../../dapr-config/mtls/"+s.Name+".yaml"] = sidecarConfiguration(t, s, withMTLS)
		files["../../components/local/config-"+s.Name+".yaml"] = fill(t, settingsStore, s)
	}
	maps.Copy(files, components(t))
	maps.Copy(files, chartFiles(t))
	return files
}

// When a service is removed, its sidecar's files must be removed, too.
func TestEverySidecarFileHasAService(t *testing.T) {
	files := daprFiles(t)
	for _, pattern := range []string{"../../dapr-config/*.yaml", "../../dapr-config/*/*.yaml",
		"../../components/*/*.yaml", chart + "*.yaml", chart + "*/*.yaml", chart + "*/*/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range found {
			if files[name] == nil {
				t.Errorf("%s belongs to no service of services/contracts", name)
			}
		}
	}
}

const settingsStore = `# The configuration store of {{.Name}}: plain Redis strings, changed with ` +
	"`mall config set`" + `. The sidecar signs in as a
# user that may read {{.SettingsPrefix}}.*, mall.* and database.*, and nothing else.
# Generated from the template in services/contracts: go test ./services/contracts -update
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: config-{{.Name}}
spec:
  type: configuration.redis
  version: v1
  metadata:
    - name: redisHost
      value: 127.0.0.1:8581
    - name: redisUsername
      value: settings-{{.Name}}
    - name: redisPassword
      secretKeyRef:
        name: settings-readers
        key: {{.Name}}
auth:
  secretStore: secrets
scopes: [{{.Name}}]
`

const subscriptions = `# Which app receives which topic. The subscriptions are declared here and not by the apps: a
# sidecar asks its app only once, and never again if that fails. All events of a topic are
# delivered in bulk to the app's one route, and its inbox ignores types that it does not
# handle (docs/adr/0007). A batch waits at most 40 ms; Dapr's default is a second. There are
# no dead letters: the inbox parks events that fail.
# Generated from the template in services/contracts: go test ./services/contracts -update
{{range $s := .}}{{range .Follows}}---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: {{$s.Name}}-{{short .}}
spec:
  pubsubname: events
  topic: {{.}}
  routes:
    default: {{path}}
  bulkSubscribe:
    enabled: true
    maxMessagesCount: 64
    maxAwaitDurationMs: 40
scopes: [{{$s.Name}}]
{{end}}{{end}}`

// rocketSubscriptions are subscriptions by the component that receives. A sidecar handles 20 messages of RocketMQ at a
// time, so that a batch never has more: one of 64 would always wait for its time-out.
func rocketSubscriptions(all []byte) []byte {
	all = bytes.ReplaceAll(all, []byte("pubsubname: events\n"), []byte("pubsubname: events-in\n"))
	return bytes.ReplaceAll(all, []byte("maxMessagesCount: 64\n"), []byte("maxMessagesCount: 16\n"))
}

const apps = `{{range $i, $s := .}}  - appID: {{.Name}}
    appDirPath: .
    command: ["go", "run", "./{{.Dir}}"]
    configFilePath: ./dapr-config/{{.Name}}.yaml
{{- if .Edge}}
    # Metrics have their own port, because appPort is open to the public.
    # The pictures are those of the demo products.
    env: {OPERATOR_PORT: "8099", PICTURES_DIR: ./deploy/seed/pictures}
{{- end}}
{{- if or .Edge (eq .Name "product")}}
    # A seller's file of products may have 16 MiB.
    maxBodySize: 20Mi
{{- end}}
    appPort: {{add 8080 $i}}
    daprHTTPPort: {{add 8100 $i}}
    daprGRPCPort: {{add 8120 $i}}
    daprInternalGRPCPort: {{add 8140 $i}}
    metricsPort: {{add 8160 $i}}
{{end}}`

// fill executes a template.
func fill(t *testing.T, text string, data any) []byte {
	t.Helper()
	functions := template.FuncMap{
		"short": func(topic string) string { return strings.TrimPrefix(topic, "mall-") },
		"path":  func() string { return server.EventsPath("") },
		"list":  func(items []string) string { return "[" + strings.Join(items, ", ") + "]" },
		"add":   func(a, b int) int { return a + b },
	}
	var out bytes.Buffer
	if err := template.Must(template.New("").Funcs(functions).Parse(text)).Execute(&out, data); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// runFile returns dapr.yaml with the apps of Services.
func runFile(t *testing.T) []byte {
	t.Helper()
	return replace(t, read(t, "../../dapr.yaml"), `(?s)^apps:\n.*`, "apps:\n"+string(fill(t, apps, contracts.Services)))
}

// resiliency returns resiliency.yaml with a target for each service that is called and for each settings store.
func resiliency(t *testing.T) []byte {
	t.Helper()
	var called, stores string
	for _, s := range contracts.Services {
		if !s.Edge {
			called += "      " + s.Name + ": {retry: never}\n"
		}
		stores += "      config-" + s.Name + ": {outbound: {timeout: normal, retry: never}}\n"
	}
	text := read(t, "../../dapr-config/resiliency.yaml")
	text = replace(t, text, `^    apps:\n(      .*\n)*`, "    apps:\n"+called)
	return replace(t, text, `(^      config-.*\n)+`, stores)
}

// components returns the component files that name services in their scopes. A component without scopes is loaded by
// every sidecar.
func components(t *testing.T) map[string][]byte {
	t.Helper()
	found, err := filepath.Glob("../../components/*/*.yaml")
	if err != nil || len(found) == 0 {
		t.Fatalf("no components: %v", err)
	}
	files := map[string][]byte{}
	for _, file := range found {
		text := read(t, file)
		component := name.FindSubmatch(text)
		if component == nil {
			t.Fatalf("%s has no name", file)
		}
		switch c := string(component[1]); {
		case strings.HasPrefix(c, "config-"): // the whole file is generated
		case c == "secrets": // loaded by every sidecar
			files[file] = text
		case strings.HasSuffix(file, "subscriptions.yaml"): // the whole file is generated
		case c == "events" && strings.Contains(file, "rocketmq"):
			files[file] = eventScopes(t, text, publishes, nothing)
		case c == "events":
			files[file] = eventScopes(t, text, publishes, follows)
		case c == "events-in":
			files[file] = eventScopes(t, text, nothing, follows)
		default:
			files[file] = scopes(t, text, contracts.Loading(strings.TrimSuffix(c, "-read")))
		}
	}
	for _, s := range contracts.Services {
		for _, c := range s.Components {
			if files["../../components/local/"+c+".yaml"] == nil {
				t.Errorf("%s loads %s, and components/local has no such file", s.Name, c)
			}
		}
	}
	return files
}

// scopes replaces the list of services that load a component.
func scopes(t *testing.T, text []byte, services []string) []byte {
	t.Helper()
	return replace(t, text, `^scopes: .*\n`, "scopes: ["+strings.Join(services, ", ")+"]\n")
}

// The topics that a component may be used for.
var (
	publishes = contracts.Service.Publishes
	follows   = contracts.Service.Follows
	nothing   = func(contracts.Service) []string { return nil }
)

// eventScopes replaces the lists of who may publish and receive what. Both lists name every service that loads the
// component: a service that is not listed may do everything.
func eventScopes(t *testing.T, text []byte, publishes, follows func(contracts.Service) []string) []byte {
	t.Helper()
	var all, publish, hear []string
	for _, s := range contracts.Services {
		if s.UsesEvents() {
			all = append(all, s.Name)
			publish = append(publish, s.Name+"="+strings.Join(publishes(s), ","))
			hear = append(hear, s.Name+"="+strings.Join(follows(s), ","))
		}
	}
	for name, list := range map[string][]string{"publishingScopes": publish, "subscriptionScopes": hear} {
		entry := "    - name: " + name + "\n      value: "
		text = replace(t, text, "^"+entry+".*\n", entry+strings.Join(list, ";")+"\n")
	}
	return scopes(t, text, all)
}

// replace replaces the one match of a pattern.
func replace(t *testing.T, text []byte, pattern, with string) []byte {
	t.Helper()
	where := regexp.MustCompile("(?m)"+pattern).FindAllIndex(text, -1)
	if len(where) != 1 {
		t.Fatalf("%q is in %d places, want one, of\n%s", pattern, len(where), text)
	}
	return slices.Concat(text[:where[0][0]], []byte(with), text[where[0][1]:])
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

package contracts_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/services/contracts"
)

// chart has the Dapr files of the Helm chart, as templates: what they say comes from those of one machine.
const chart = "../../k8s/mall/dapr/"

// chartFiles returns the files of the chart that are generated, by their path relative to this directory.
func chartFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{
		chart + "services.yaml":                   fill(t, chartServices, servicesOfChart()),
		chart + "common/resiliency.yaml":          resource(t, resiliency(t)),
		chart + "common/secrets.yaml":             []byte(generated + chartStore),
		chart + "events/redis/subscriptions.yaml": resource(t, fill(t, subscriptions, contracts.Services)),
		chart + "mail/file/mail.yaml":             resource(t, read(t, "../../components/local/mail.yaml")),
		chart + "mail/smtp/mail.yaml":             resource(t, read(t, "../../components/smtp/mail.yaml")),
		chart + "pictures/volume/pictures.yaml":   resource(t, read(t, "../../components/local/pictures.yaml")),
		chart + "pictures/s3/pictures.yaml":       resource(t, read(t, "../../components/s3/pictures.yaml")),
		chart + "pictures/oss/pictures.yaml":      resource(t, read(t, "../../components/oss/pictures.yaml")),
		chart + "pictures/oss/pictures-read.yaml": resource(t, read(t, "../../components/oss/pictures-read.yaml")),
		chart + "events/redis/events.yaml":        resource(t, read(t, "../../components/local/events.yaml")),
		chart + "common/carts.yaml":               resource(t, read(t, "../../components/local/carts.yaml")),
		chart + "common/redis-lua.yaml":           resource(t, read(t, "../../components/local/redis-lua.yaml")),
		chart + "events/kafka/subscriptions.yaml": resource(t, fill(t, subscriptions, contracts.Services)),
		chart + "events/rocketmq/subscriptions.yaml": resource(t,
			rocketSubscriptions(fill(t, subscriptions, contracts.Services))),
	}
	for _, broker := range []string{"kafka", "rocketmq"} {
		found, err := filepath.Glob("../../components/" + broker + "/events*.yaml")
		if err != nil || len(found) == 0 {
			t.Fatalf("no components of %s: %v", broker, err)
		}
		for _, file := range found {
			files[chart+"events/"+broker+"/"+filepath.Base(file)] = resource(t, read(t, file))
		}
	}
	for _, s := range contracts.Services {
		files[chart+"common/"+s.Name+".yaml"] = resource(t, sidecarConfiguration(t, s, onKubernetes))
		files[chart+"common/config-"+s.Name+".yaml"] = resource(t, fill(t, settingsStore, s))
	}
	return files
}

const generated = "# Generated from the files of one machine: go test ./services/contracts -update\n"

var (
	comment  = regexp.MustCompile(`(?m)^ *#.*\n`)
	store    = regexp.MustCompile(`(?m)^auth:\n  secretStore: secrets\n`)
	metadata = regexp.MustCompile(`(?m)^spec:\n  type: (.*)\n  version: v1\n  metadata:\n((?:    .*\n)*)`)
	name     = regexp.MustCompile(`(?m)^metadata:\n  name: (\S+)\n`)
)

// resource turns a Dapr file of one machine into one of the chart: addresses become values, a component may get more
// metadata by values, and Dapr's operator resolves its secrets, which its app's account may not read.
func resource(t *testing.T, text []byte) []byte {
	t.Helper()
	text = comment.ReplaceAll(text, nil)
	text = store.ReplaceAll(text, nil)
	for _, r := range [][2]string{
		{"value: 127.0.0.1:8581", `value: {{ include "mall.redisAddress" . | quote }}`},
		{"value: 127.0.0.1:8582", `value: {{ required "events.brokers is needed" .Values.events.brokers | quote }}`},
		{"        name: redis\n", "        name: {{ include \"mall.redisSecret\" . }}\n"},
		{"value: .mall/mail", "value: /mail"},
		{"value: .mall/pictures", "value: /pictures"},
		{"value: mall@example.org", "value: {{ .Values.mail.from | quote }}"},
	} {
		text = bytes.ReplaceAll(text, []byte(r[0]), []byte(r[1]))
	}
	if found := metadata.FindSubmatchIndex(text); found != nil {
		component := string(name.FindSubmatch(text)[1])
		kind := string(text[found[2]:found[3]])
		redis := "false"
		if strings.HasSuffix(kind, ".redis") {
			redis = "true"
		}
		more := "    {{- include \"mall.metadata\" (dict \"component\" \"" + component + "\" \"redis\" " + redis +
			" \"root\" .) | nindent 4 }}\n"
		list := slices.Concat([]byte("  metadata:\n"), text[found[4]:found[5]], []byte(more))
		start := bytes.Index(text[found[0]:], []byte("  metadata:")) + found[0]
		text = slices.Concat(text[:start], list, text[found[1]:])
	}
	return append([]byte(generated), text...)
}

const chartStore = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: secrets
spec:
  type: secretstores.kubernetes
  version: v1
  metadata: []
`

// serviceOfChart is what templates need to know about a service.
type serviceOfChart struct {
	contracts.Service
	CalledBy, Calls []string
}

func servicesOfChart() (all []serviceOfChart) {
	for _, s := range contracts.Services {
		c := serviceOfChart{Service: s}
		for _, p := range policies(s) {
			c.CalledBy = append(c.CalledBy, p.Caller)
		}
		for _, other := range contracts.Services {
			if slices.ContainsFunc(policies(other), func(p policy) bool { return p.Caller == s.Name }) {
				c.Calls = append(c.Calls, other.Name)
			}
		}
		all = append(all, c)
	}
	return all
}

const chartServices = generated + `services:
{{- range .}}
  {{.Name}}:
    edge: {{.Edge}}
    events: {{.UsesEvents}}
    databases: {{list .Databases}}
    components: {{list .Components}}
    # What the account of its sidecar may read.
    secrets: {{list .AllowedSecrets}}
    calls: {{list .Calls}}
    calledBy: {{list .CalledBy}}
{{- end}}
`

// Package runfile reads dapr.yaml, the Dapr multi-app run file that is the one list of
// this mall's processes.
package runfile

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// App is one app and its sidecar, as dapr.yaml names them. Paths are absolute once read.
type App struct {
	ID            string            `yaml:"appID"`
	Dir           string            `yaml:"appDirPath"`
	Command       []string          `yaml:"command"`
	Env           map[string]string `yaml:"env"`
	ConfigFile    string            `yaml:"configFilePath"`
	Resources     []string          `yaml:"resourcesPaths"`
	Protocol      string            `yaml:"appProtocol"`
	Port          int               `yaml:"appPort"`
	DaprHTTP      int               `yaml:"daprHTTPPort"`
	DaprGRPC      int               `yaml:"daprGRPCPort"`
	DaprInternal  int               `yaml:"daprInternalGRPCPort"`
	Metrics       int               `yaml:"metricsPort"`
	HealthCheck   bool              `yaml:"enableAppHealthCheck"`
	HealthPath    string            `yaml:"appHealthCheckPath"`
	ProbeInterval int               `yaml:"appHealthProbeInterval"`
	ProbeTimeout  int               `yaml:"appHealthProbeTimeout"`
	Threshold     int               `yaml:"appHealthThreshold"`
	MaxBody       string            `yaml:"maxBodySize"`
	ReadBuffer    string            `yaml:"readBufferSize"`
	LogLevel      string            `yaml:"logLevel"`
	Listen        string            `yaml:"apiListenAddresses"`
	// Placement and Scheduler must be empty: this mall runs neither.
	Placement string `yaml:"placementHostAddress"`
	Scheduler string `yaml:"schedulerHostAddress"`

	// Replica is 1 for the app itself; copies count on.
	Replica int `yaml:"-"`
}

// Name is the process's name: the app id, with the number of the replica from the second on.
func (a App) Name() string {
	if a.Replica > 1 {
		return fmt.Sprintf("%s-%d", a.ID, a.Replica)
	}
	return a.ID
}

// Package is the directory of the program that the app's command, `go run <directory>`,
// would run. The runner builds it instead, so it must be called like the app.
func (a App) Package() (string, error) {
	if len(a.Command) != 3 || a.Command[0] != "go" || a.Command[1] != "run" {
		return "", fmt.Errorf("app %s: command %q: want go run <directory>", a.ID, a.Command)
	}
	dir := absolute(a.Dir, a.Command[2])
	if filepath.Base(dir) != a.ID {
		return "", fmt.Errorf("app %s: its program in %s would be called %s", a.ID, dir, filepath.Base(dir))
	}
	return dir, nil
}

// Ports are all ports of the app and its sidecar by their purpose.
func (a App) Ports() map[string]int {
	ports := map[string]int{"app": a.Port, "dapr_http": a.DaprHTTP, "dapr_grpc": a.DaprGRPC,
		"dapr_internal": a.DaprInternal, "dapr_metrics": a.Metrics}
	if text, own := a.Env[operatorPort]; own {
		ports["operator"], _ = strconv.Atoi(text) // check refuses 0
	}
	return ports
}

// Read reads a run file. Fields it does not know are refused: a misspelt one would
// otherwise be a sidecar without its setting.
func Read(path string) ([]App, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	apps, err := parse(raw, root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return apps, nil
}

func parse(raw []byte, root string) ([]App, error) {
	var file struct {
		Version int         `yaml:"version"`
		Name    string      `yaml:"name"`
		Common  yaml.Node   `yaml:"common"`
		Apps    []yaml.Node `yaml:"apps"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		return nil, err
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("version %d: want 1", file.Version)
	}
	if len(file.Apps) == 0 {
		return nil, fmt.Errorf("no apps")
	}
	common := App{Replica: 1}
	if err := decodeStrict(&file.Common, &common); err != nil {
		return nil, err
	}
	common.resolve(root)
	seen := map[string]bool{}
	ports := map[int]string{}
	apps := make([]App, len(file.Apps))
	for i := range file.Apps {
		a := common
		if err := decodeStrict(&file.Apps[i], &a); err != nil {
			return nil, err
		}
		a.Dir = absolute(root, a.Dir)
		a.resolve(a.Dir)
		if err := a.check(); err != nil {
			return nil, fmt.Errorf("app %d (%s): %w", i+1, a.ID, err)
		}
		if seen[a.ID] {
			return nil, fmt.Errorf("app %s is listed twice", a.ID)
		}
		seen[a.ID] = true
		for what, port := range a.Ports() {
			if other, taken := ports[port]; taken {
				return nil, fmt.Errorf("port %d belongs to %s and to %s %s", port, other, a.ID, what)
			}
			ports[port] = a.ID + " " + what
		}
		apps[i] = a
	}
	return apps, nil
}

// resolve makes paths absolute as the Dapr CLI does: those of the common section start
// at the run file, those of an app at the app's directory.
func (a *App) resolve(dir string) {
	a.ConfigFile = absolute(dir, a.ConfigFile)
	resources := make([]string, len(a.Resources))
	for i, r := range a.Resources {
		resources[i] = absolute(dir, r)
	}
	a.Resources = resources
}

func decodeStrict(node *yaml.Node, into *App) error {
	if node.Kind == 0 {
		return nil
	}
	raw, err := yaml.Marshal(node)
	if err != nil {
		return err
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	return dec.Decode(into)
}

func (a App) check() error {
	if a.ID == "" || len(a.Command) == 0 {
		return fmt.Errorf("want appID and command")
	}
	for what, port := range a.Ports() {
		if port <= 0 {
			return fmt.Errorf("port %s is missing", what)
		}
	}
	if a.Placement != "" || a.Scheduler != "" {
		return fmt.Errorf("placement and scheduler are not started: a sidecar that is configured for one does not become " +
			"healthy without it")
	}
	return nil
}

// operatorPort is the variable with the port of an app's second server.
const operatorPort = "OPERATOR_PORT"

// Shift moves all ports of an app by the same distance.
func (a App) Shift(by int) App {
	if port := a.Ports()["operator"]; port != 0 {
		a.Env = maps.Clone(a.Env)
		a.Env[operatorPort] = strconv.Itoa(port + by)
	}
	a.Port += by
	a.DaprHTTP += by
	a.DaprGRPC += by
	a.DaprInternal += by
	a.Metrics += by
	return a
}

// replicaStep keeps replicas apart: all ports of one app lie within 100.
const replicaStep = 100

// Replicate copies apps as asked for ({"order": 2}); copy k listens 100·(k−1) further up.
func Replicate(apps []App, count map[string]int) ([]App, error) {
	known := map[string]bool{}
	var out []App
	for _, a := range apps {
		known[a.ID] = true
		out = append(out, a)
		for k := 2; k <= count[a.ID]; k++ {
			b := a.Shift(replicaStep * (k - 1))
			b.Replica = k
			out = append(out, b)
		}
	}
	for id, n := range count {
		if !known[id] {
			return nil, fmt.Errorf("replicas of %s: no such app", id)
		}
		// A sixth copy would listen where PostgreSQL does.
		if n < 1 || n > 5 {
			return nil, fmt.Errorf("replicas of %s: %d, want 1 to 5", id, n)
		}
	}
	return out, nil
}

func absolute(root, p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(root, p)
}

// Package running tells the operator's tools how to reach the mall that the runner has started.
package running

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// Mall is what the tools need of the runner's state file.
type Mall struct {
	Home      string            `json:"home"`
	Gateway   string            `json:"gateway"`
	Databases map[string]string `json:"databases"` // service → DSN
	Redis     struct {
		Addr     string `json:"addr"`
		Password string `json:"password"`
		TLS      bool   `json:"tls,omitempty"`
	} `json:"redis"`
	Apps map[string]struct {
		ID       string         `json:"id"`
		URL      string         `json:"url"`
		Ports    map[string]int `json:"ports"`
		AppToken string         `json:"app_api_token"`
	} `json:"apps"`
}

// MetricsPages are the addresses at which processes serve metrics, by their names: the apps, and their sidecars.
func (m Mall) MetricsPages() map[string]string {
	pages := map[string]string{}
	for name, a := range m.Apps {
		pages[name] = MetricsPage(a.Ports)
		pages[name+"-daprd"] = page(a.Ports["dapr_metrics"])
	}
	return pages
}

// MetricsPage is where an app with these ports serves its metrics: the gateway on a port of its own.
func MetricsPage(ports map[string]int) string {
	return page(cmp.Or(ports["operator"], ports["app"]))
}

func page(port int) string { return fmt.Sprintf("http://127.0.0.1:%d/metrics", port) }

// FindHere is Find for the commands of package operate.
func FindHere(context.Context) (Mall, error) { return Find() }

// Find reads the file that MALL_STATE names; the runner sets it for its tools.
func Find() (Mall, error) {
	var m Mall
	path := os.Getenv("MALL_STATE")
	if path == "" {
		return m, errors.New("MALL_STATE is not set: run this through go run ./deploy/mall")
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return m, errors.New("this mall is not running")
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", path, err)
	}
	return m, nil
}

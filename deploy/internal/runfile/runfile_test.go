package runfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheRepositorysRunFileIsRead(t *testing.T) {
	apps, err := Read("../../../dapr.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range apps {
		maxBody := "4Mi"
		if a.ID == "api-gateway" || a.ID == "product" { // files of products
			maxBody = "20Mi"
		}
		if a.Protocol != "h2c" || !a.HealthCheck || a.Threshold != 3 || a.Listen != "127.0.0.1" || a.MaxBody != maxBody {
			t.Errorf("%s: lacks the common settings: %+v", a.ID, a)
		}
		pkg, err := a.Package()
		if err != nil {
			t.Error(err)
		}
		if !strings.HasSuffix(pkg, "/"+a.ID) {
			t.Errorf("%s: package %s", a.ID, pkg)
		}
		for _, path := range append(a.Resources, a.ConfigFile) {
			if _, err := os.Stat(path); err != nil || !filepath.IsAbs(path) {
				t.Errorf("%s: %s: %v, want an absolute path that exists", a.ID, path, err)
			}
		}
	}
}

const one = `{appID: order, appDirPath: ./o, command: [go, run, .], appPort: 8086, ` +
	`daprHTTPPort: 8106, daprGRPCPort: 8126, daprInternalGRPCPort: 8146, metricsPort: 8166`

func TestInvalidRunFilesAreRejected(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"a misspelt field":   {"version: 1\napps:\n - " + one + ", appProtokoll: h2c}", "appProtokoll"},
		"the same app twice": {"version: 1\napps:\n - " + one + "}\n - " + one + "}", "listed twice"},
		"a port twice": {"version: 1\napps:\n - " + one + "}\n - " + strings.Replace(one, "order", "cart", 1) + "}",
			"belongs to"},
		"a missing port":        {"version: 1\napps:\n - " + strings.Replace(one, "appPort: 8086, ", "", 1) + "}", "missing"},
		"a placement service":   {"version: 1\ncommon: {placementHostAddress: x}\napps:\n - " + one + "}", "placement"},
		"another version":       {"version: 2\napps:\n - " + one + "}", "version 2"},
		"no apps":               {"version: 1", "no apps"},
		"an app without a name": {"version: 1\napps:\n - {appPort: 1}", "want appID"},
	} {
		if _, err := parse([]byte(c.file), "/root"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestShiftChangesEveryPort(t *testing.T) {
	apps, err := parse([]byte("version: 1\napps:\n - "+one+`, env: {OPERATOR_PORT: "8186"}}`), "/root")
	if err != nil {
		t.Fatal(err)
	}
	before, after := apps[0].Ports(), apps[0].Shift(1000).Ports()
	for what, p := range before {
		if after[what] != p+1000 {
			t.Errorf("%s: %d became %d, want %d", what, p, after[what], p+1000)
		}
	}
}

func TestReplicasHaveTheirOwnPorts(t *testing.T) {
	apps, err := Read("../../../dapr.yaml")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, a := range apps {
		count[a.ID] = 5
	}
	all, err := Replicate(apps, count)
	if err != nil {
		t.Fatal(err)
	}
	taken := map[int]string{8580: "postgres", 8581: "redis"}
	for _, a := range all {
		for what, p := range a.Ports() {
			if other := taken[p]; other != "" {
				t.Errorf("port %d is used twice: %s and %s %s", p, other, a.Name(), what)
			}
			taken[p] = a.Name() + " " + what
		}
	}
	for _, bad := range []map[string]int{{"order": 6}, {"order": 0}, {"nobody": 2}} {
		if _, err := Replicate(apps, bad); err == nil {
			t.Errorf("replicas %v: accepted", bad)
		}
	}
}

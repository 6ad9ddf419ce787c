package main

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/runfile"
	"daprmall.dev/deploy/internal/supervise"

	"github.com/spf13/cobra"
)

func TestEveryCommandHasHelp(t *testing.T) {
	var all func(c *cobra.Command)
	all = func(c *cobra.Command) {
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil || c.Short == "" || !strings.Contains(out.String(), cmp.Or(c.Long, c.Short)) {
			t.Errorf("%s: %v, help %q", c.CommandPath(), err, out.String())
		}
		for _, below := range c.Commands() {
			all(below)
		}
	}
	all(commands())
}

func TestInvalidCommandLinesAreRefused(t *testing.T) {
	for _, args := range [][]string{{"upp"}, {"up", "order"}, {"up", "--replica", "order=2"},
		{"up", "--replicas", "order=many"},
		{"kill"}, {"kill", "a", "b"}, {"config", "set", "mall.currency"}, {"config", "sett", "a", "b"}, {"keys", "revoke"},
		{"secrets", "rotate"}} {
		if err := run(args); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

func TestCommandsHaveSingularAliases(t *testing.T) {
	for alias, want := range map[string]string{"log": "logs", "event": "events", "key": "keys", "secret": "secrets",
		"status": "status"} {
		if c, _, err := commands().Find([]string{alias}); err != nil || c.Name() != want {
			t.Errorf("%s is %v, %v, want %s", alias, c.Name(), err, want)
		}
	}
}

// The options of up are passed to the detached supervisor.
func TestOptionsArePassedToTheSupervisor(t *testing.T) {
	t.Setenv("MALL_ONLY", "")
	asked := []string{"--only", "order,product", "--replicas", "order=2,product=3", "--no-build", "--install",
		"--mtls", "--patience", "3m0s"}
	o, err := parseOptions(asked)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseOptions(o.args())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.only, []string{"order", "product"}) || again.replicas["order"] != 2 ||
		again.replicas["product"] != 3 ||
		!again.noBuild || !again.install || !again.mtls || again.patience != o.patience {
		t.Errorf("%v became %+v", asked, again)
	}
	t.Setenv("MALL_ONLY", "cart, user")
	if o, err := parseOptions(nil); err != nil || !slices.Equal(o.only, []string{"cart", "user"}) {
		t.Errorf("MALL_ONLY: %+v, %v", o, err)
	}
}

// up with more services than a running mall has prints those that are missing.
func TestUpNamesWhatARunningMallLacks(t *testing.T) {
	list := []supervise.Status{{Name: "order"}, {Name: "redis"}}
	wanted := []runfile.App{{ID: "order", Replica: 1}, {ID: "cart", Replica: 1}}
	if missing := notRunning(list, wanted); !slices.Equal(missing, []string{"cart"}) {
		t.Errorf("missing %v, want cart", missing)
	}
	if missing := notRunning(list, wanted[:1]); missing != nil {
		t.Errorf("missing %v, want nothing", missing)
	}
}

func TestLogsWithoutANameAreListed(t *testing.T) {
	at := layout.Layout{Home: t.TempDir()}
	if err := listLogs(at); err == nil {
		t.Error("no logs, and no error")
	}
	if err := os.Mkdir(at.Home+"/log", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"order", "order-daprd"} {
		for _, file := range []string{at.Log(name), at.Log(name) + ".1"} { // one log was rotated
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if names := logNames(at); !slices.Equal(names, []string{"order", "order-daprd"}) {
		t.Errorf("listed the logs of %v", names)
	}
}

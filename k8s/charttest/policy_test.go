package charttest

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// scorer is run as it was released: its library does not go together with Helm's.
const scorer = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"

// waived are checks that do not fit here.
var waived = []string{
	"pod-probes-identical",                          // of stores: one for new connections, one for those that hang
	"container-image-pull-policy",                   // a tag means one image for ever
	"container-ephemeral-storage-request-and-limit", // file systems are read-only and volumes have limits
	"deployment-has-host-podantiaffinity",           // topologySpreadConstraints, which also work on a single node
	"container-security-context-user-group-id",      // the official images of PostgreSQL and Redis have such users
}

// What the owner of a cluster would object to, by the rules of kube-score.
func TestManifestsFollowGoodPractice(t *testing.T) {
	args := []string{"run", scorer, "score", "--output-format", "json", "--kubernetes-version", "v1.34",
		"--ignore-container-cpu-limit", "-"}
	for _, check := range waived {
		args = append(args[:len(args)-1], "--ignore-test", check, "-")
	}
	for name, values := range examples(t) {
		out, err := render(load(t), values)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, text := range out {
			all = append(all, text)
		}
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Stdin = strings.NewReader(strings.Join(all, "\n---\n"))
		raw, err := cmd.Output() // it fails when there are objections
		var objects []struct {
			Name   string `json:"object_name"`
			Checks []struct {
				Check    struct{ ID string }
				Grade    int
				Skipped  bool
				Comments []struct{ Path, Summary string }
			}
		}
		if e := json.Unmarshal(raw, &objects); e != nil || len(objects) == 0 {
			t.Fatalf("kube-score: %v, %v: %s", err, e, raw)
		}
		for _, o := range objects {
			for _, c := range o.Checks {
				if c.Skipped || c.Grade >= 10 {
					continue
				}
				for _, comment := range c.Comments {
					t.Errorf("with the values %s: %s: %s: %s %s", name, o.Name, c.Check.ID, comment.Path, comment.Summary)
				}
			}
		}
	}
}

package broker

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/supervise"
	"daprmall.dev/services/kit/freeport"
)

// A broker in a container is a process like the others: it returns after kill -9 with what it had, and no container is
// left when its client is gone.
func TestABrokerInAContainerLivesAndEndsWithItsClient(t *testing.T) {
	for _, k := range []Kind{Kafka, RocketMQ} {
		t.Run(string(k), func(t *testing.T) { livesInAContainer(t, k) })
	}
}

func livesInAContainer(t *testing.T, k Kind) {
	t.Helper()
	t.Setenv("MALL_"+strings.ToUpper(string(k)), source.Container)
	runtime, err := Bring(t.Context(), source.Machine{Report: silent{}}, k)
	if err != nil {
		t.Skip(err)
	}
	user, err := source.Unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	base, held, err := freeport.Range()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	dir := user.DataDir(filepath.Join(t.TempDir(), "home"), string(k), layout.Hash(t.Name()))
	s := New(k, Place{Runtime: runtime, Dir: dir, Port: base + 2, User: user})
	logs := t.TempDir()
	specs, err := s.Prepare(func(name string) string { return filepath.Join(logs, name+".log") })
	if err != nil {
		t.Fatal(err)
	}
	sup := supervise.New(t.TempDir(), t.Logf)
	for _, spec := range specs {
		sup.Start(spec)
	}
	t.Cleanup(func() { sup.StopAll() })
	ready := func(making bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := Topics(ctx, k, s.Addr(), making, []string{"kept"}); err != nil {
			t.Fatal(err)
		}
	}
	ready(true)
	for _, spec := range specs {
		if got := containers(t, dir, spec.Name); len(got) != 1 {
			t.Fatalf("%s runs in the containers %v", spec.Name, got)
		}
		old := containers(t, dir, spec.Name)
		if err := sup.Kill(spec.Name); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool {
			now := containers(t, dir, spec.Name)
			return len(now) == 1 && !slices.Equal(now, old)
		})
	}
	ready(false)
	sup.StopAll()
	for _, spec := range specs {
		until(t, func() bool { return len(containers(t, dir, spec.Name)) == 0 })
	}
}

// containers are the ids of a process's containers, also of those that ended.
func containers(t *testing.T, dir, process string) []string {
	t.Helper()
	out, err := exec.Command("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter",
		"name=^"+containerName(dir, process)+"$").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s")
		}
	}
}

// silent reports nothing.
type silent struct{}

func (silent) Note(string, ...any)    {}
func (silent) Changed(string, ...any) {}

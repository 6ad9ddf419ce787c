package broker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/supervise"
)

// image is where a broker's jars are in its official image.
type image struct {
	name, jars string
	group      string // that may read them
}

var images = map[Kind]image{
	Kafka: {name: "apache/kafka:4.1.2", jars: "/opt/kafka/libs", group: "0"},
	// Ubuntu's useradd closes the home directory, in which the jars are, to all but this group.
	RocketMQ: {name: "apache/rocketmq:5.3.3", jars: "/home/rocketmq/rocketmq-5.3.3/lib", group: "3000"},
}

// tied runs a program as long as somebody holds its standard input: Docker's client does, and when it is killed the
// container ends too. SIGTERM goes to the program.
const tied = `exec 3<&0
"$@" </dev/null 3<&- & program=$!
trap 'kill -TERM $program' TERM
{ cat <&3 >/dev/null; kill -KILL $program; } &
while kill -0 $program 2>/dev/null; do wait $program; code=$?; done
exit $code
`

// contain moves a process into a container, which sees the network of this machine and the broker's directory.
func (p Place) contain(s supervise.Spec) supervise.Spec {
	owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	if s.User != nil {
		owner = fmt.Sprintf("%d:%d", s.User.Uid, s.User.Gid)
	}
	name := containerName(p.Dir, s.Name)
	args := []string{"run", "--rm", "--interactive", "--pull", "never", "--name", name, "--network", "host",
		"--user", owner, "--group-add", p.image.group, "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--mount", "type=bind,source=" + p.Dir + ",target=" + p.Dir, "--workdir", p.Dir}
	for _, e := range s.Env {
		if !strings.HasPrefix(e, "PATH=") {
			args = append(args, "--env", e)
		}
	}
	args = append(args, "--entrypoint", "sh", p.image.name, "-c", tied, "sh", "java")
	docker := s.Path
	s.Args, s.Env, s.User = append(args, s.Args...), dockerEnv(), nil
	s.HoldInput = true
	s.Before = func(ctx context.Context) error { return removed(ctx, docker, name) }
	return s
}

// removed returns when a container is gone. The engine may be removing it already: then that ends soon.
func removed(ctx context.Context, docker, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		cmd := exec.CommandContext(ctx, docker, "rm", "--force", "--volumes", name)
		cmd.Env = dockerEnv()
		out, err := cmd.CombinedOutput()
		switch {
		case err == nil, strings.Contains(string(out), "No such container"):
			return nil
		case ctx.Err() != nil || !strings.Contains(string(out), "already in progress"):
			return fmt.Errorf("remove the container %s: %w: %s", name, err, strings.TrimSpace(string(out)))
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func containerName(dir, process string) string { return "mall-" + layout.Hash(dir) + "-" + process }

// dockerEnv is what Docker's client needs to find its engine.
func dockerEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return name != "PATH" && name != "HOME" && !strings.HasPrefix(name, "DOCKER_")
	})
}

// run runs a process to its end.
func run(ctx context.Context, s supervise.Spec) error {
	if s.Before != nil {
		if err := s.Before(ctx); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, s.Path, s.Args...)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.User}
	if s.HoldInput {
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		defer in.Close() //nolint:errcheck // nothing is written
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(s.Path), s.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

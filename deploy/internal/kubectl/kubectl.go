// Package kubectl asks a cluster through kubectl and helm, as an operator would: with the context, the rights and the
// plug-ins that the user has.
package kubectl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
)

// Namespace is a namespace of a cluster.
type Namespace struct {
	Context string // of kubectl's configuration; "" for the current one
	Name    string
}

// Kubectl runs kubectl and returns what it says.
func (n Namespace) Kubectl(ctx context.Context, args ...string) (string, error) {
	return run(n.command(ctx, "kubectl", "--context", args), nil)
}

// Apply gives manifests to the cluster.
func (n Namespace) Apply(ctx context.Context, manifests any) error {
	raw, err := json.Marshal(manifests)
	if err != nil {
		return err
	}
	_, err = run(n.command(ctx, "kubectl", "--context", []string{"apply", "-f", "-"}), bytes.NewReader(raw))
	return err
}

// Helm runs helm.
func (n Namespace) Helm(ctx context.Context, args ...string) (string, error) {
	return run(n.command(ctx, "helm", "--kube-context", args), nil)
}

func (n Namespace) command(ctx context.Context, program, flag string, args []string) *exec.Cmd {
	all := []string{"--namespace", n.Name}
	if n.Context != "" {
		all = append(all, flag, n.Context)
	}
	return exec.CommandContext(ctx, program, append(all, args...)...)
}

func run(cmd *exec.Cmd, in io.Reader) (string, error) {
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &complaints
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err,
			strings.TrimSpace(complaints.String()))
	}
	return out.String(), nil
}

// Secret returns the values of a Secret.
func (n Namespace) Secret(ctx context.Context, name string) (map[string]string, error) {
	out, err := n.Kubectl(ctx, "get", "secret", name, "-o", "jsonpath={.data}")
	if err != nil {
		return nil, err
	}
	data := map[string]string{}
	if err := json.Unmarshal([]byte(out), &data); err != nil {
		return nil, err
	}
	for key, text := range data {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		data[key] = string(raw)
	}
	return data, nil
}

// Follow calls line with each line that a pod writes, until the pod or ctx ends.
func (n Namespace) Follow(ctx context.Context, pod string, line func(string)) error {
	cmd := n.command(ctx, "kubectl", "--context", []string{"logs", "--follow", pod})
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line(lines.Text())
	}
	return cmd.Wait()
}

var forwarded = regexp.MustCompile(`from 127\.0\.0\.1:(\d+)`)

// Forward opens a port of this machine for one of a pod, and returns its address until stop is called.
func (n Namespace) Forward(ctx context.Context, target string, port int) (addr string, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := n.command(ctx, "kubectl", "--context", []string{"port-forward", "--address", "127.0.0.1", target,
		fmt.Sprintf(":%d", port)})
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return "", nil, err
	}
	stop = func() {
		cancel()
		_ = cmd.Wait() // it was killed
	}
	lines := bufio.NewReader(out)
	for {
		text, err := lines.ReadString('\n')
		if found := forwarded.FindStringSubmatch(text); found != nil {
			go func() { _, _ = io.Copy(io.Discard, lines) }()
			return "127.0.0.1:" + found[1], stop, nil
		}
		if err != nil {
			stop()
			return "", nil, errors.Join(fmt.Errorf("port-forward to %s", target), err)
		}
	}
}

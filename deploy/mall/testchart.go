package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"daprmall.dev/deploy/internal/steps"
)

// chart tests the Helm chart. Its tests are a module outside the workspace: Helm and the checkers of manifests would
// move the versions of our own dependencies.
func (t *tests) chart(ctx context.Context, s *steps.Step) error {
	s.Note("Helm's lint, Kubernetes' schemas, kube-score")
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "./...")
	cmd.Dir = filepath.Join(t.at.Root, "k8s", "charttest")
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

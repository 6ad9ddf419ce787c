package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Flags are those of go build that make the same program from the same source, small and without anything of this
// machine. The Dockerfile has them too.
var Flags = []string{"-trimpath", "-buildvcs=false", "-tags=nomsgpack", "-ldflags=-s -w -buildid="}

// Build compiles a package of the repository for a platform. It needs no C libraries.
func Build(ctx context.Context, root, pkg, out string, p Platform) error {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build"}, Flags...), "-o", out, pkg)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Arch, "GOFLAGS=")
	if words, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s for %s: %w: %s", pkg, p, err, strings.TrimSpace(string(words)))
	}
	return nil
}

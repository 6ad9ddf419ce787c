package source

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"daprmall.dev/deploy/internal/layout"
)

// oldestJava runs Kafka 4 and RocketMQ 5.
const oldestJava = 17

func installedJava(ctx context.Context) (Found, error) {
	path, err := exec.LookPath("java")
	if home := os.Getenv("JAVA_HOME"); home != "" {
		path, err = exec.LookPath(filepath.Join(home, "bin", "java"))
	}
	if err != nil {
		return Found{}, err
	}
	version, err := versionOf(ctx, path, "-version")
	if err != nil {
		return Found{}, err
	}
	if Major(version) < oldestJava {
		return Found{}, fmt.Errorf("%s is %s, want %d or newer", path, version, oldestJava)
	}
	return Found{Path: path, Version: version, From: Installed}, nil
}

// Jars returns a directory with what a Maven project needs at run time. Maven fetches it once per machine and text of
// the project file, from where its settings say.
func Jars(ctx context.Context, m Machine, name string, pom []byte) (dir string, err error) {
	dir = filepath.Join(m.Cache, name+"-jars-"+layout.Hash(string(pom)))
	err = m.once(dir, func(tmp string) error {
		mvn, err := m.byApt(mavenPackage, installedMaven)(ctx)
		if err != nil {
			return fmt.Errorf("no Maven to fetch %s with: %w", name, err)
		}
		project := filepath.Join(tmp, "pom.xml")
		if err := os.WriteFile(project, pom, 0o644); err != nil {
			return err
		}
		m.Report.Note("fetching %s by Maven", name)
		cmd := exec.CommandContext(ctx, mvn.Path, "-q", "-B", "-f", project, "dependency:copy-dependencies",
			"-DincludeScope=runtime", "-DoutputDirectory="+tmp)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("mvn: %w: %s", err, tail(strings.TrimSpace(string(out)), 600))
		}
		return nil
	})
	return dir, err
}

func installedMaven(context.Context) (Found, error) {
	path, err := exec.LookPath("mvn")
	return Found{Path: path, From: Installed}, err
}

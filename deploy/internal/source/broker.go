package source

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Kinds of sources of a broker, as MALL_KAFKA and MALL_ROCKETMQ force them.
const (
	Java      = "java"
	Container = "container"
)

// Broker is a Java program that a Maven project describes, and an image has.
type Broker struct {
	Name  string
	POM   []byte
	Image string
}

func (b Broker) server() server {
	name := strings.ToUpper(b.Name)
	return server{b.Name, "MALL_" + name, "MALL_" + name + "_ADDR", []string{Java, Container}}
}

// Bring finds what runs it: a Java runtime, with the directory of its jars, or a container engine that has its image.
func (b Broker) Bring(ctx context.Context, m Machine) (found Found, jars string, err error) {
	found, err = b.server().first(ctx, map[string]finder{
		Java: func(ctx context.Context) (Found, error) {
			java, err := m.byApt(javaPackage, installedJava)(ctx)
			if err == nil {
				jars, err = Jars(ctx, m, b.Name, b.POM)
			}
			return java, err
		},
		Container: func(ctx context.Context) (Found, error) {
			engine, err := Engine(ctx)
			if err == nil {
				err = pull(ctx, m, engine.Path, b.Image)
			}
			return engine, err
		},
	})
	return found, jars, err
}

// Look returns what Bring would find, and fetches nothing.
func (b Broker) Look(ctx context.Context) (Found, error) {
	return b.server().first(ctx, map[string]finder{
		Java: func(ctx context.Context) (Found, error) {
			if found, err := lookApt(mavenPackage, installedMaven)(ctx); err != nil || found.Package != "" {
				return found, err
			}
			return lookApt(javaPackage, installedJava)(ctx)
		},
		Container: Engine,
	})
}

// Engine finds Docker if its engine answers.
func Engine(ctx context.Context) (Found, error) {
	path, err := exec.LookPath("docker")
	if err != nil {
		return Found{}, err
	}
	version, err := versionOf(ctx, path, "version", "--format", "{{.Server.Version}}")
	return Found{Path: path, Version: version, From: Container}, err
}

// pull brings an image unless the engine has it.
func pull(ctx context.Context, m Machine, docker, image string) error {
	if exec.CommandContext(ctx, docker, "image", "inspect", image).Run() == nil {
		return nil
	}
	m.Report.Note("pulling %s", image)
	if out, err := exec.CommandContext(ctx, docker, "pull", "--quiet", image).CombinedOutput(); err != nil {
		return fmt.Errorf("docker pull %s: %w: %s", image, err, tail(string(out), 3))
	}
	m.Report.Changed("image pulled by Docker: %s", image)
	return nil
}

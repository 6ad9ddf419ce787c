package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/image"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/services/contracts"
)

// imaging is what images was asked for.
type imaging struct {
	only      []string
	platforms []string
	tag       string
	archives  bool
	out       string
}

func imagesCommand() *cobra.Command {
	var o imaging
	c := &cobra.Command{Use: "images", Short: "Make a container image of each service, with Docker or as OCI archives",
		Args: cobra.NoArgs, Example: "  images\n  images --archives --platforms linux/amd64,linux/arm64\n" +
			"  images --only order,cart"}
	f := c.Flags()
	f.StringSliceVar(&o.only, "only", nil, "only these programs")
	f.StringSliceVar(&o.platforms, "platforms", []string{image.Here().String()}, "what archives are for")
	f.StringVar(&o.tag, "tag", "dev", "the images' tag")
	f.BoolVar(&o.archives, "archives", false, "make OCI archives although Docker's engine runs")
	f.StringVar(&o.out, "out", "", "the archives' directory (default: images, in MALL_HOME)")
	c.RunE = here(func(ctx context.Context, at layout.Layout, _ []string) error {
		o.archives = o.archives || f.Changed("platforms") || f.Changed("out") // Docker makes them for itself
		return images(ctx, at, o)
	})
	return c
}

// imagePrefix comes before the name of a program in that of its image.
const imagePrefix = "daprmall/"

// packages are what images are made of: the directory of each program, by its name. Setup, seed and kubetest are for
// malls that run in containers.
func packages() map[string]string {
	all := map[string]string{luaProgram: luaDirectory, "setup": "deploy/setup", "seed": "deploy/seed",
		"kubetest": "deploy/kubetest"}
	for _, s := range contracts.Services {
		all[s.Name] = s.Dir()
	}
	return all
}

func images(ctx context.Context, at layout.Layout, o imaging) error {
	all := packages()
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range o.only {
		if all[name] == "" {
			return fmt.Errorf("--only %s: there is no such program, only %v", name, names)
		}
	}
	if len(o.only) > 0 {
		names = o.only
	}
	revision, committed, err := commit(ctx, at.Root)
	if err != nil {
		return err
	}
	describe := func(name string) image.About {
		return image.About{Title: imagePrefix + name, Description: "A part of a shopping mall on Dapr: " + name,
			Version: o.tag, Revision: revision, Created: committed}
	}
	board := steps.New(ctx, os.Stdout)
	engine, noEngine := source.Engine(ctx)
	for _, name := range names {
		err := board.Do(ctx, name, func(s *steps.Step) error {
			if noEngine == nil && !o.archives {
				return dockerBuild(ctx, at, engine.Path, describe(name), name, o.tag, s)
			}
			return o.archive(ctx, at, describe(name), name, all[name], s)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// commit is what the working tree was made of, and when that was committed.
func commit(ctx context.Context, root string) (revision string, when time.Time, err error) {
	git := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = root
		out, failed := cmd.Output()
		err = errors.Join(err, failed)
		return strings.TrimSpace(string(out))
	}
	revision = git("rev-parse", "HEAD")
	seconds := git("log", "-1", "--format=%cI")
	if git("status", "--porcelain") != "" {
		revision += "-changed"
	}
	if err != nil {
		return "", when, fmt.Errorf("images are labelled with the commit: %w", err)
	}
	when, err = time.Parse(time.RFC3339, seconds)
	return revision, when, err
}

// dockerBuild runs the Dockerfile.
func dockerBuild(ctx context.Context, at layout.Layout, docker string, about image.About, name, tag string,
	s *steps.Step) error {
	reference := imagePrefix + name + ":" + tag
	s.Note("docker build %s", reference)
	args := []string{"build", "--file", "deploy/docker/Dockerfile", "--build-arg", "PROGRAM=" + name, "--tag", reference,
		"--network", "host"}
	for key, value := range about.Labels() {
		args = append(args, "--label", key+"="+value)
	}
	cmd := exec.CommandContext(ctx, docker, append(args, ".")...)
	cmd.Dir = at.Root
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", about.Created.Unix()))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker build %s: %w\n%s", reference, err, out)
	}
	s.Note("%s, in Docker", reference)
	s.Changed("image %s", reference)
	return nil
}

// archive makes an OCI archive, and a bill of materials of each platform's program beside it.
func (o imaging) archive(ctx context.Context, at layout.Layout, about image.About, name, dir string,
	s *steps.Step) error {
	out := o.out
	if out == "" {
		out = filepath.Join(at.Home, "images")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	made := map[image.Platform]v1.Image{}
	var programs []string
	defer func() { // the layers read them until the archive is written
		for _, program := range programs {
			_ = os.Remove(program)
		}
	}()
	for _, text := range o.platforms {
		p, err := image.ParsePlatform(text)
		if err != nil {
			return err
		}
		s.Note("compiling for %s", p)
		file := filepath.Join(out, name+"-"+strings.ReplaceAll(text, "/", "-"))
		program := file + ".bin"
		programs = append(programs, program)
		if err := image.Build(ctx, at.Root, "./"+dir, program, p); err != nil {
			return err
		}
		made[p], err = image.New(program, p, about)
		if err == nil {
			err = writeSBOM(file+".cdx.json", program, about)
		}
		if err != nil {
			return err
		}
	}
	file := filepath.Join(out, name+".tar")
	if err := image.WriteArchive(file, imagePrefix+name+":"+o.tag, image.Index(made)); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	s.Note("%s, %d MB (%s)", imagePrefix+name+":"+o.tag, info.Size()/1e6, file)
	return nil
}

func writeSBOM(file, program string, about image.About) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(image.WriteSBOM(f, program, about), f.Close())
}

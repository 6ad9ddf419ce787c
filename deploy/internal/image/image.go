// Package image makes container images of Go programs: as OCI archives without a container engine, the same bytes from
// the same source.
package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// User is who a program runs as in its container: nobody that a machine has (distroless images use the same).
const User = "65532:65532"

// Program is where the program is in its image. There is nothing else in it.
const Program = "/app"

// About describes an image by the labels of the OCI (github.com/opencontainers/image-spec, annotations.md).
type About struct {
	Title, Description, Version, Revision string
	Created                               time.Time
}

// Labels are how an image says it.
func (a About) Labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       a.Title,
		"org.opencontainers.image.description": a.Description,
		"org.opencontainers.image.version":     a.Version,
		"org.opencontainers.image.revision":    a.Revision,
		"org.opencontainers.image.created":     a.Created.UTC().Format(time.RFC3339),
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.url":         "https://daprmall.dev",
	}
}

// Platform is an operating system and an architecture, by Go's names.
type Platform struct{ OS, Arch string }

// Here is the platform of containers on this machine.
func Here() Platform { return Platform{"linux", runtime.GOARCH} }

// ParsePlatform reads linux/amd64 and the like.
func ParsePlatform(s string) (Platform, error) {
	p, err := v1.ParsePlatform(s)
	if err != nil || p.OS == "" || p.Architecture == "" || p.Variant != "" {
		return Platform{}, fmt.Errorf("%q is not a platform such as linux/amd64", s)
	}
	return Platform{p.OS, p.Architecture}, nil
}

func (p Platform) String() string { return path.Join(p.OS, p.Arch) }

// New makes an image of a program, which must not need any other file.
func New(program string, p Platform, about About) (v1.Image, error) {
	layer, err := layerOf(program)
	if err != nil {
		return nil, err
	}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	created := v1.Time{Time: about.Created.UTC()}
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer,
		History: v1.History{Created: created, CreatedBy: "COPY " + Program}})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, withConfig(img, p, about, created))
}

func withConfig(img v1.Image, p Platform, about About, created v1.Time) *v1.ConfigFile {
	config, err := img.ConfigFile()
	if err != nil { // of an image in memory
		panic(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.OS, p.Arch, created
	config.Config = v1.Config{User: User, Entrypoint: []string{Program}, WorkingDir: "/", Labels: about.Labels()}
	return config
}

// layerOf has no times and no owners of this machine.
func layerOf(program string) (v1.Layer, error) {
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		raw, err := os.ReadFile(program)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		header := &tar.Header{Typeflag: tar.TypeReg, Name: path.Base(Program), Mode: 0o555, Size: int64(len(raw)),
			ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(raw); err != nil {
			return nil, err
		}
		return io.NopCloser(&b), w.Close()
	}, tarball.WithMediaType(types.OCILayer))
}

// Index joins the images of a program, one per platform.
func Index(images map[Platform]v1.Image) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range sorted(images) {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: images[p],
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Arch}}})
	}
	return index
}

// fullName is the name by which containerd, and so a node of Kubernetes, looks for an image: daprmall/order:1 is
// docker.io/daprmall/order:1.
func fullName(reference string) (string, error) {
	parsed, err := name.ParseReference(reference)
	if err != nil {
		return "", err
	}
	return strings.Replace(parsed.Name(), name.DefaultRegistry, "docker.io", 1), nil
}

// WriteArchive writes an OCI archive, which docker load, podman load, ctr images import and skopeo read. With one
// platform it contains that image, so that older engines can read it.
func WriteArchive(file, reference string, index v1.ImageIndex) (err error) {
	dir, err := os.MkdirTemp(path.Dir(file), ".image")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	full, err := fullName(reference)
	if err != nil {
		return err
	}
	named := layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": reference, "io.containerd.image.name": full})
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	if len(manifest.Manifests) == 1 {
		one, err := index.Image(manifest.Manifests[0].Digest)
		if err != nil {
			return err
		}
		if err := to.ReplaceImage(one, match.Name(reference), named); err != nil {
			return err
		}
		list, err := dockerManifest(one, reference)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path.Join(dir, "manifest.json"), list, 0o600); err != nil {
			return err
		}
	} else if err := to.ReplaceIndex(index, match.Name(reference), named); err != nil {
		return err
	}
	return archive(file, dir)
}

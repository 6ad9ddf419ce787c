package image

import (
	"archive/tar"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// dockerManifest is the list of images by which Docker before 25 finds them in an archive (docker save).
func dockerManifest(img v1.Image, reference string) ([]byte, error) {
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	blob := func(d v1.Descriptor) string { return path.Join("blobs", d.Digest.Algorithm, d.Digest.Hex) }
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	one := entry{Config: blob(m.Config), RepoTags: []string{reference}}
	for _, l := range m.Layers {
		one.Layers = append(one.Layers, blob(l))
	}
	return json.Marshal([]entry{one})
}

// archive puts a directory's files into a tar file, in the order of their names and without their times.
func archive(file, dir string) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	err = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error { // in lexical order
		if err != nil || d.IsDir() {
			return err
		}
		inside, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(inside), Mode: 0o644,
			Size: info.Size(), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, in)
		return errors.Join(err, in.Close())
	})
	return errors.Join(err, w.Close())
}

func sorted(images map[Platform]v1.Image) []Platform {
	return slices.SortedFunc(maps.Keys(images), func(a, b Platform) int {
		return cmp.Or(strings.Compare(a.OS, b.OS), strings.Compare(a.Arch, b.Arch))
	})
}

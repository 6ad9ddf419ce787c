package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"

	"daprmall.dev/deploy/internal/steps"
)

// storefront is the web shop, whose built files the gateway embeds.
const storefront npmPackage = "storefront"

// shop compiles and tests the web shop, and proves that its types are those of openapi.yaml and that the embedded files
// are what its source builds.
func (t *tests) shop(ctx context.Context, s *steps.Step) error {
	return t.npm(ctx, s, storefront, func(dir, npm string) error {
		for _, script := range []string{"generate", "test", "build"} { // build checks the types
			if err := generator(ctx, dir, npm, "run", "--silent", script); err != nil {
				return err
			}
		}
		const types = "src/api/schema.d.ts"
		return errors.Join(sameFile(filepath.Join(storefront.in(t), types), filepath.Join(dir, types), "npm run generate"),
			sameFiles(filepath.Join(storefront.in(t), "dist"), filepath.Join(dir, "dist"), "npm run build"))
	})
}

// sameFiles reports files that differ between what is committed and what was built now.
func sameFiles(committed, built, command string) error {
	was, err := list(committed)
	if err != nil {
		return err
	}
	is, err := list(built)
	if err != nil {
		return err
	}
	if !slices.Equal(was, is) {
		return fmt.Errorf("in api-gateway/storefront run `%s`: it makes the files %v, committed are %v", command, is, was)
	}
	for _, name := range is {
		err = errors.Join(err, sameFile(filepath.Join(committed, name), filepath.Join(built, name), command))
	}
	return err
}

func list(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+string(filepath.Separator)))
		}
		return err
	})
	return names, err
}

// sameFile compares two files. Of compressed ones the content counts: their bytes differ between versions of Node.
func sameFile(committed, built, command string) error {
	was, err := content(committed)
	if err != nil {
		return err
	}
	is, err := content(built)
	if err == nil && !bytes.Equal(was, is) {
		err = fmt.Errorf("in api-gateway/storefront run `%s`: %s is not what it makes", command, filepath.Base(committed))
	}
	return err
}

func content(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(file) {
	case ".br":
		raw, err = io.ReadAll(brotli.NewReader(bytes.NewReader(raw)))
	case ".gz":
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(raw)); err == nil {
			raw, err = io.ReadAll(r)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return raw, nil
}

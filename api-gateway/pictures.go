package main

import (
	"io/fs"
	"os"
)

// pictures returns the directory whose pictures the gateway serves: PICTURES_DIR. A symbolic link does not lead out of
// it. Without it there are none.
func pictures() (fs.FS, error) {
	dir := os.Getenv("PICTURES_DIR")
	if dir == "" {
		return nil, nil //nolint:nilnil // documented
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return root.FS(), nil
}

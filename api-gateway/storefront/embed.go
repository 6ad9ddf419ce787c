// Package storefront has the built files of the web shop. `npm run build` makes them from src; a check of
// `go run ./deploy/mall test` proves that they are what the source builds.
package storefront

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files are index.html, assets with the hash of their content in their name, and each compressed (.br, .gz).
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the directory is embedded
	}
	return files
}

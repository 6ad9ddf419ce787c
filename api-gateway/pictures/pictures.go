// Package pictures holds the pictures of the demo products, one small SVG each, drawn with attributes only: the content
// security policy sent with them allows neither styles nor scripts.
package pictures

import "embed"

// Files are the drawings, <name>.svg.
//
//go:embed *.svg
var Files embed.FS

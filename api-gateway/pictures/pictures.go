// Package pictures holds the drawings of the demo products, one small SVG each. They are drawn with plain attributes:
// the policy the gateway sends with them lets neither styles nor scripts in.
package pictures

import "embed"

// Files are the drawings, <name>.svg.
//
//go:embed *.svg
var Files embed.FS

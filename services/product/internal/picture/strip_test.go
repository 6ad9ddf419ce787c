package picture

import (
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/draw"
)

// A picture that is scaled in strips has no seams: it looks like one that is scaled as a whole, up to rounding.
func TestStripsLeaveNoSeams(t *testing.T) {
	const most = 2 // of 255: it is rounded twice
	for _, size := range []image.Point{{2 * side, 20}, {20, 3 * side}, {side + 1, 30}, {200, 131}} {
		from := image.NewNRGBA(image.Rect(7, 5, 7+size.X, 5+size.Y))
		for y := from.Rect.Min.Y; y < from.Rect.Max.Y; y++ {
			for x := from.Rect.Min.X; x < from.Rect.Max.X; x++ {
				// Far from the ends, where values that overshoot would be cut off between the two directions.
				shade := func(n int) uint8 { return uint8(80 + n%96) }
				from.SetNRGBA(x, y, color.NRGBA{shade(3 * x), shade(2 * y), shade(rand.N(96)), 255})
			}
		}
		got := fit(from)
		want := image.NewRGBA(got.Bounds())
		draw.CatmullRom.Scale(want, want.Bounds(), from, from.Bounds(), draw.Src, nil)
		for i := range want.Pix {
			if d := int(want.Pix[i]) - int(got.Pix[i]); d > most || d < -most {
				t.Fatalf("%v: %d instead of %d at byte %d of a row", size, got.Pix[i], want.Pix[i], i%want.Stride)
			}
		}
	}
}

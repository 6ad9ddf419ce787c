package picture

import (
	"bytes"
	"image"

	"github.com/bep/imagemeta"
	"golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
)

// orientation is how a camera was held: 1 to 8 (Exif 2.32, 4.6.4, tag 274). 1, upright, stands for all that is unknown.
func orientation(file []byte, format string) uint16 {
	formats := map[string]imagemeta.ImageFormat{"jpeg": imagemeta.JPEG, "png": imagemeta.PNG, "webp": imagemeta.WebP}
	found := uint16(1)
	_, err := imagemeta.Decode(imagemeta.Options{R: bytes.NewReader(file), ImageFormat: formats[format],
		Sources:         imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool { return tag.Tag == "Orientation" },
		HandleTag: func(tag imagemeta.TagInfo) error {
			if held, ok := tag.Value.(uint16); ok && held >= 1 && held <= 8 {
				found = held
			}
			return imagemeta.ErrStopWalking
		}})
	if err != nil {
		return 1
	}
	return found
}

// turn makes a picture upright.
func turn(from *image.RGBA, held uint16) *image.RGBA {
	w, h := float64(from.Bounds().Dx()), float64(from.Bounds().Dy())
	// Where the point x, y goes: a·x + b·y + c, d·x + e·y + f.
	ways := map[uint16]f64.Aff3{
		2: {-1, 0, w, 0, 1, 0},
		3: {-1, 0, w, 0, -1, h},
		4: {1, 0, 0, 0, -1, h},
		5: {0, 1, 0, 1, 0, 0},
		6: {0, -1, h, 1, 0, 0},
		7: {0, -1, h, -1, 0, w},
		8: {0, 1, 0, -1, 0, w},
	}
	way, turned := ways[held]
	if !turned {
		return from
	}
	size := from.Bounds().Size()
	if held >= 5 {
		size.X, size.Y = size.Y, size.X
	}
	to := image.NewRGBA(image.Rectangle{Max: size})
	draw.NearestNeighbor.Transform(to, way, from, from.Bounds(), draw.Src, nil)
	return to
}

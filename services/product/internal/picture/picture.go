// Package picture makes one kind of picture of what sellers send: a JPEG of a size that pages need, upright, without
// the metadata of the camera, which may say where it was taken.
package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png" // a format that sellers send

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // a format that sellers send

	"daprmall.dev/services/kit/problem"
)

const (
	// MaxBytes is the largest picture that is read, in bytes.
	MaxBytes = 8 << 20
	// maxPixels bounds the memory of a picture that is read: what a progressive JPEG needs is 15 bytes each.
	maxPixels = 12_000_000
	// maxDeep is maxPixels for pictures with 16 bits per channel.
	maxDeep = maxPixels / 2
	// maxSide bounds what the scaler keeps: strip × maxSide × 32 bytes. A line of maxPixels would need 380 MB.
	maxSide = 16_000
	// side is the longest side of a picture that is kept, in pixels.
	side = 1600
	// strip is how many rows, and then columns, are scaled together. The scaler keeps 32 bytes for each of its pixels
	// between the two directions: 150 MB for a whole picture.
	strip = 64
	// quality of JPEG (1 to 100).
	quality = 85
)

// Convert makes the picture of a JPEG, PNG or WebP file. What it refuses is a problem of the field picture.
func Convert(file []byte) ([]byte, error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, unreadable()
	}
	if most := mostPixels(config); config.Width*config.Height > most {
		return nil, invalid("has %d × %d pixels and may have %d million: make it smaller", config.Width,
			config.Height, most/1_000_000)
	}
	if longest := max(config.Width, config.Height); longest > maxSide {
		return nil, invalid("is %d pixels long and may be %d", longest, maxSide)
	}
	decoded, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, unreadable()
	}
	var out bytes.Buffer
	upright := turn(fit(decoded), orientation(file, format))
	if err := jpeg.Encode(&out, upright, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return out.Bytes(), nil
}

func mostPixels(c image.Config) int {
	switch c.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		return maxDeep
	}
	return maxPixels
}

// fit draws a picture on white, and smaller if a side is too long.
func fit(from image.Image) *image.RGBA {
	size := from.Bounds().Size()
	if longest := max(size.X, size.Y); longest > side {
		size = image.Pt(max(size.X*side/longest, 1), max(size.Y*side/longest, 1))
	}
	narrow := image.NewRGBA(image.Rect(0, 0, size.X, from.Bounds().Dy()))
	draw.Draw(narrow, narrow.Bounds(), image.White, image.Point{}, draw.Src)
	for y := 0; y < narrow.Rect.Dy(); y += strip {
		rows := image.Rect(0, y, size.X, min(y+strip, narrow.Rect.Dy()))
		source := from.Bounds()
		source.Min.Y, source.Max.Y = source.Min.Y+rows.Min.Y, source.Min.Y+rows.Max.Y
		draw.CatmullRom.Scale(narrow, rows, from, source, draw.Over, nil)
	}
	if narrow.Rect.Max == size {
		return narrow
	}
	to := image.NewRGBA(image.Rectangle{Max: size})
	for x := 0; x < size.X; x += strip {
		columns := image.Rect(x, 0, min(x+strip, size.X), size.Y)
		source := columns
		source.Max.Y = narrow.Rect.Max.Y
		draw.CatmullRom.Scale(to, columns, narrow, source, draw.Src, nil)
	}
	return to
}

func unreadable() error { return invalid("is no JPEG, PNG or WebP picture that can be read") }

func invalid(format string, args ...any) error {
	return problem.Validation(problem.Field{Field: "picture", Message: fmt.Sprintf(format, args...)})
}

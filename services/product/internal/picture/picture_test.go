package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
)

// quarters is a picture with another colour in each quarter: red, green; blue, white.
func quarters(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{A: 255}
			switch {
			case x < w/2 && y < h/2:
				c.R = 255
			case y < h/2:
				c.G = 255
			case x < w/2:
				c.B = 255
			default:
				c.R, c.G, c.B = 255, 255, 255
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// corners are the colours of the quarters as letters: "rg bw" for quarters.
func corners(t *testing.T, m image.Image) string {
	t.Helper()
	size := m.Bounds().Size()
	var out strings.Builder
	for i, p := range []image.Point{{1, 1}, {3, 1}, {1, 3}, {3, 3}} {
		r, g, b, _ := m.At(p.X*size.X/4, p.Y*size.Y/4).RGBA()
		if i == 2 {
			out.WriteByte(' ')
		}
		high := func(v uint32) bool { return v > 0x8000 }
		switch {
		case high(r) && high(g) && high(b):
			out.WriteByte('w')
		case high(r):
			out.WriteByte('r')
		case high(g):
			out.WriteByte('g')
		case high(b):
			out.WriteByte('b')
		default:
			out.WriteByte('-')
		}
	}
	return out.String()
}

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// jpegOf is a JPEG with Exif that says how the camera was held, and a text that must not be published.
func jpegOf(t *testing.T, m image.Image, held byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	exif := []byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x02" +
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(held) + "\x00\x00" + // Orientation, SHORT
		"\x01\x3b\x00\x02\x00\x00\x00\x0d\x00\x00\x00\x26" + // Artist, ASCII
		"\x00\x00\x00\x00" + "Jane Private\x00")
	segment := append([]byte{0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(exif)+2))...)
	return append(append(append([]byte{0xff, 0xd8}, segment...), exif...), b.Bytes()[2:]...)
}

func mustRead(t *testing.T, file []byte) image.Image {
	t.Helper()
	made, err := Convert(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(made))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The results are those of Exif 2.32: where the 0th row and the 0th column are.
func TestAPictureIsUprightAndSaysNothingOfItsCamera(t *testing.T) {
	for held, want := range map[byte]string{0: "rg bw", 1: "rg bw", 2: "gr wb", 3: "wb gr", 4: "bw rg", 5: "rb gw",
		6: "br wg", 7: "wg br", 8: "gw rb", 9: "rg bw"} {
		file := jpegOf(t, quarters(120, 80), held)
		if !bytes.Contains(file, []byte("Jane Private")) {
			t.Fatal("the file has no metadata")
		}
		made, err := Convert(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(made, []byte("Exif")) || bytes.Contains(made, []byte("Jane")) {
			t.Errorf("%d: the metadata is still there", held)
		}
		m := mustRead(t, file)
		size := image.Pt(120, 80)
		if held >= 5 && held <= 8 {
			size = image.Pt(80, 120)
		}
		if got := corners(t, m); got != want || m.Bounds().Size() != size {
			t.Errorf("held %d: %s, %v, want %s, %v", held, got, m.Bounds().Size(), want, size)
		}
	}
}

func TestALargePictureBecomesSmaller(t *testing.T) {
	for _, c := range []struct{ from, to image.Point }{
		{image.Pt(3000, 2000), image.Pt(1600, 1066)},
		{image.Pt(100, 4000), image.Pt(40, 1600)},
		{image.Pt(9000, 2), image.Pt(1600, 1)},
		{image.Pt(1600, 1600), image.Pt(1600, 1600)},
		{image.Pt(1, 1), image.Pt(1, 1)},
	} {
		m := mustRead(t, pngOf(t, quarters(c.from.X, c.from.Y)))
		if m.Bounds().Size() != c.to {
			t.Errorf("%v became %v, want %v", c.from, m.Bounds().Size(), c.to)
		}
		if c.to.X > 20 && c.to.Y > 20 && corners(t, m) != "rg bw" {
			t.Errorf("%v has %s", c.from, corners(t, m))
		}
	}
}

// What one can see through is white: JPEG has no transparency, and shops have white pages.
func TestTransparentIsWhite(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 8, 8)) // all transparent black
	if got := corners(t, mustRead(t, pngOf(t, m))); got != "ww ww" {
		t.Errorf("%s", got)
	}
}

func TestWebPIsRead(t *testing.T) {
	// One red pixel, lossless, by cwebp.
	file, err := base64.StdEncoding.DecodeString("UklGRhwAAABXRUJQVlA4TA8AAAAvAAAAAAcQ/Y/+ByKi/wEA")
	if err != nil {
		t.Fatal(err)
	}
	if size := mustRead(t, file).Bounds().Size(); size != image.Pt(1, 1) {
		t.Errorf("%v", size)
	}
}

// The same file twice is the same picture: a seller may repeat an upload.
func TestTheSameFileBecomesTheSamePicture(t *testing.T) {
	file := pngOf(t, quarters(40, 40))
	a, err := Convert(file)
	b, err2 := Convert(file)
	if err != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("%d and %d bytes: %v, %v", len(a), len(b), err, err2)
	}
}

// A small file may claim to be a huge picture; nothing is decoded of it.
func TestWhatIsRefused(t *testing.T) {
	whole := pngOf(t, quarters(40, 40))
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "a half": whole[:len(whole)/2], "svg": []byte("<svg xmlns='…'/>"),
		"gif":               []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"),
		"too many pixels":   claims(whole, 4001, 3000, 8),
		"huge":              claims(whole, 1<<31-1, 1<<31-1, 8),
		"a long line":       pngOf(t, image.NewGray(image.Rect(0, 0, 1, maxSide+1))),
		"16 bits per color": claims(whole, 3001, 2000, 16),
	} {
		if _, err := Convert(file); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// claims is a PNG whose header says another size.
func claims(file []byte, w, h uint32, depth byte) []byte {
	file = bytes.Clone(file)
	binary.BigEndian.PutUint32(file[16:], w)
	binary.BigEndian.PutUint32(file[20:], h)
	file[24], file[25] = depth, 6 // true colour with alpha
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00"))
	f.Add([]byte("RIFF\x1c\x00\x00\x00WEBPVP8L"))
	f.Fuzz(func(t *testing.T, file []byte) {
		made, err := Convert(file)
		if err != nil {
			return
		}
		if _, err := jpeg.Decode(bytes.NewReader(made)); err != nil {
			t.Error(err)
		}
	})
}

//go:build e2e

package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// drawing is a PNG of this width. Pictures of different widths are different ones.
func drawing(t *testing.T, width int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, 20))
	m.Set(1, 1, color.RGBA{R: 200, A: 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func upload(t *testing.T, who *apiclient.Client, product string, file []byte) apiclient.Answer {
	t.Helper()
	return do(t, who, http.MethodPost, "/v1/products/"+product+"/pictures?alt=Tea", file, "Content-Type", "image/png")
}

// A seller's picture is on the product and can be kept for ever; a file that a crash or a disk has damaged is missing,
// and an upload mends it.
func TestAnUploadedPictureIsServed(t *testing.T) {
	id := product(t, "Pictured tea", 300, 5).ID
	file := drawing(t, 2000)
	a := upload(t, seller, id, file)
	address := a.Header.Get("Location")
	if a.Status != http.StatusCreated || !strings.HasPrefix(address, "/v1/pictures/") {
		t.Fatalf("upload: %s", a)
	}
	var p struct {
		ImageURL string `json:"image_url"`
		Pictures []struct{ URL, Alt string }
	}
	if err := visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products/"+id, nil, &p); err != nil ||
		p.ImageURL != address || len(p.Pictures) != 1 || p.Pictures[0].Alt != "Tea" {
		t.Errorf("the product: %+v, %v", p, err)
	}
	shown := do(t, visitor, http.MethodGet, address, nil)
	m, err := jpeg.DecodeConfig(bytes.NewReader(shown.Body))
	if shown.Status != http.StatusOK || err != nil || m.Width != 1600 ||
		shown.Header.Get("Content-Type") != "image/jpeg" ||
		!strings.Contains(shown.Header.Get("Cache-Control"), "immutable") ||
		shown.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the picture: %d, %v, %v, %+v", shown.Status, shown.Header, err, m)
	}
	if again := do(t, visitor, http.MethodGet, address, nil, "If-None-Match", shown.Header.Get("Etag")); again.Status !=
		http.StatusNotModified || len(again.Body) > 0 {
		t.Errorf("again: %s", again)
	}
	if head := do(t, visitor, http.MethodHead, address, nil); head.Status != http.StatusOK || len(head.Body) > 0 {
		t.Errorf("HEAD: %s", head)
	}

	kept := filepath.Join(home(), "pictures", strings.TrimPrefix(address, "/v1/pictures/")+".jpg")
	if err := os.Truncate(kept, int64(len(shown.Body)/2)); err != nil {
		t.Fatal(err)
	}
	// The gateway may still have it for a moment. A seller's own requests are always fresh.
	if half := do(t, seller, http.MethodGet, address, nil); half.Status != http.StatusNotFound {
		t.Errorf("half of a file: %d, %d bytes", half.Status, len(half.Body))
	}
	if a := upload(t, seller, id, file); a.Status != http.StatusOK {
		t.Errorf("the same again: %s", a)
	}
	if whole := do(t, seller, http.MethodGet, address, nil); whole.Status != http.StatusOK ||
		!bytes.Equal(whole.Body, shown.Body) {
		t.Errorf("after the upload: %d, %d bytes", whole.Status, len(whole.Body))
	}
	if gone := do(t, visitor, http.MethodGet, "/v1/pictures/"+strings.Repeat("0", 32), nil); gone.Status !=
		http.StatusNotFound || gone.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("no picture: %s, %v", gone, gone.Header)
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	id := product(t, "Plain tea", 300, 5).ID
	path := "/v1/products/" + id + "/pictures"
	for what, c := range map[string]struct {
		media  string
		file   []byte
		status int
	}{
		"another type":       {"image/gif", []byte("GIF89a"), http.StatusUnsupportedMediaType},
		"JSON":               {"application/json", []byte("{}"), http.StatusUnsupportedMediaType},
		"not what it says":   {"image/png", []byte("<script>alert(1)</script>"), http.StatusUnprocessableEntity},
		"half a picture":     {"image/png", drawing(t, 50)[:60], http.StatusUnprocessableEntity},
		"nothing":            {"image/png", []byte{}, http.StatusUnprocessableEntity},
		"more than 8 MiB":    {"image/jpeg", make([]byte, 8<<20+1), http.StatusRequestEntityTooLarge},
		"8 MiB of nothing":   {"image/jpeg", make([]byte, 8<<20), http.StatusUnprocessableEntity},
		"too many pixels":    {"image/png", drawing(t, 700_000), http.StatusUnprocessableEntity},
		"another media type": {"text/csv", []byte("a,b"), http.StatusUnsupportedMediaType},
	} {
		if a := do(t, seller, http.MethodPost, path, c.file, "Content-Type", c.media); a.Status != c.status {
			t.Errorf("%s: %s, want %d", what, a, c.status)
		}
	}
	var p struct{ Version int }
	if err := visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products/"+id, nil, &p); err != nil ||
		p.Version != 1 {
		t.Errorf("the product is at version %d, %v", p.Version, err)
	}
}

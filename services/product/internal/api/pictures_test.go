package api

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"strings"
	"sync"
	"testing"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/picture"
)

// folder is a store of pictures in memory, which may be away.
type folder struct {
	mu     sync.Mutex
	files  map[string][]byte
	away   bool
	writes int
}

func (f *folder) Write(_ context.Context, p catalog.PictureFile) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return problem.New(problem.Unavailable, "unavailable", "away")
	}
	f.files[p.Name] = p.Content
	f.writes++
	return nil
}

func (f *folder) Read(_ context.Context, name string) (catalog.PictureFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if content, ok := f.files[name]; ok {
		return catalog.PictureFile{Name: name, Content: content}, nil
	}
	return catalog.PictureFile{}, catalog.ErrNoPicture
}

// drawn is a PNG of this width.
func drawn(t *testing.T, width int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, width, 10))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestASellerUploadsPictures(t *testing.T) {
	d := open(t)
	id, _ := d.offer("10").body["id"].(string)
	path := "/v1/products/" + id + "/pictures"
	seller, other := "Bearer "+d.token("5", "seller"), "Bearer "+d.token("6", "seller")
	send := func(who, query, body string) answer {
		t.Helper()
		return d.ask("api-gateway", "POST", path+query, body, "Authorization", who, "Content-Type", "image/png")
	}
	for what, c := range map[string]struct {
		who, query, body string
		status           int
		says             string
	}{
		"somebody else's product": {other, "", drawn(t, 10), 404, "not_found"},
		"no picture":              {seller, "", "hello", 422, "no JPEG, PNG or WebP"},
		"nothing":                 {seller, "", "", 422, "no JPEG, PNG or WebP"},
		"too many bytes":          {seller, "", strings.Repeat("x", picture.MaxBytes+1), 413, "body_too_large"},
		"a long text":             {seller, "?alt=" + strings.Repeat("x", 251), drawn(t, 10), 422, "alt"},
		"an unknown parameter":    {seller, "?text=x", drawn(t, 10), 422, "text"},
	} {
		a := send(c.who, c.query, c.body)
		if a.status != c.status || !strings.Contains(fmt.Sprint(a.body), c.says) {
			t.Errorf("%s: %+v, want %d with %s", what, a, c.status, c.says)
		}
	}
	if len(d.pictures.files) != 0 {
		t.Errorf("what was refused is kept: %d files", len(d.pictures.files))
	}

	first := send(seller, "?alt=A%20teapot", drawn(t, 10))
	address := first.header.Get("Location")
	if first.status != 201 || first.header.Get("ETag") != `"2"` ||
		fmt.Sprint(first.body["pictures"]) != fmt.Sprintf("[map[alt:A teapot url:%s]]", address) ||
		first.body["image_url"] != address {
		t.Fatalf("upload: %+v", first)
	}
	again := send(seller, "?alt=Another", drawn(t, 10))
	if again.status != 200 || again.header.Get("ETag") != `"2"` || again.header.Get("Location") != "" {
		t.Errorf("the same again: %+v", again)
	}
	if d.pictures.writes != 1 {
		t.Errorf("a whole file was written %d times: a crash could damage it", d.pictures.writes)
	}
	second := send("Bearer "+d.token("9", "admin"), "", drawn(t, 20))
	if second.status != 201 || second.body["image_url"] != address {
		t.Errorf("a second one by an admin: %+v", second)
	}

	rec := d.get(address)
	if rec.Code != 200 || rec.Header().Get("Content-Type") != "image/jpeg" ||
		rec.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		rec.Header().Get("ETag") != `"`+strings.TrimPrefix(address, "/v1/pictures/")+`"` {
		t.Errorf("read: %d, %v", rec.Code, rec.Header())
	}
	for _, name := range []string{"/v1/pictures/" + strings.Repeat("0", 32), "/v1/pictures/x", "/v1/pictures/..%2fx"} {
		if rec := d.get(name); rec.Code != 404 {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}

	d.pictures.away = true
	if a := send(seller, "", drawn(t, 30)); a.status != 503 {
		t.Errorf("without a store: %+v", a)
	}
	d.pictures.away = false
	if a := send(seller, "", drawn(t, 30)); a.status != 201 {
		t.Errorf("tried again: %+v", a)
	}
	for i := range 7 {
		if a := send(seller, "", drawn(t, 40+i)); a.status != 201 {
			t.Fatalf("picture %d: %+v", 4+i, a)
		}
	}
	if a := send(seller, "", drawn(t, 60)); a.status != 422 || !strings.Contains(fmt.Sprint(a.body), "at most 10") {
		t.Errorf("an eleventh: %+v", a)
	}
	// 5 has uploaded 10 new pictures; what an admin uploads counts for the admin.
	d.perDay = 10
	if a := send(seller, "", drawn(t, 10)); a.status != 429 || a.body["code"] != "too_many_uploads" ||
		a.header.Get("Retry-After") == "" {
		t.Errorf("over the limit of a day: %+v", a)
	}
}

// A phone sends several pictures at once: they wait for each other.
func TestUploadsAtTheSameTimeAllArrive(t *testing.T) {
	d := open(t)
	id, _ := d.offer("10").body["id"].(string)
	seller := "Bearer " + d.token("5", "seller")
	var wg sync.WaitGroup
	for i := range 8 {
		body := drawn(t, 10+i%4) // each of them twice
		wg.Go(func() {
			a := d.ask("api-gateway", "POST", "/v1/products/"+id+"/pictures", body, "Authorization", seller, "Content-Type",
				"image/png")
			if a.status != 200 && a.status != 201 {
				t.Errorf("%+v", a)
			}
		})
	}
	wg.Wait()
	v := d.ask("api-gateway", "GET", "/v1/products/"+id, "")
	if pictures, _ := v.body["pictures"].([]any); len(pictures) != 4 || v.body["version"] != 5.0 {
		t.Errorf("%d pictures: %+v", len(pictures), v.body)
	}
}

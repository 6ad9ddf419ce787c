//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

// A product has several pictures. image_url is the first of them, and lists have it alone.
func TestAProductHasSeveralPictures(t *testing.T) {
	type picture struct{ URL, Alt string }
	type shown struct {
		ID       string
		ImageURL string `json:"image_url"`
		Pictures []picture
	}
	var p shown
	err := seller.Want(t.Context(), http.StatusCreated, http.MethodPost, "/v1/products", map[string]any{
		"name": "Pictured teapot", "description": "", "price": 900, "stock": 1, "pictures": []map[string]string{
			{"url": "https://example.com/front view.jpg", "alt": "from the front"}, {"url": "/pictures/side.svg"}}}, &p)
	if err != nil {
		t.Fatal(err)
	}
	const front = "https://example.com/front%20view.jpg"
	want := fmt.Sprint([]picture{{front, "from the front"}, {"/pictures/side.svg", ""}})
	if p.ImageURL != front || fmt.Sprint(p.Pictures) != want {
		t.Errorf("created: %+v, want %s", p, want)
	}
	var list struct{ Items []shown }
	err = visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products?q=pictured+teapot", nil, &list)
	if err != nil || len(list.Items) == 0 || list.Items[0].ImageURL != front || len(list.Items[0].Pictures) != 1 {
		t.Errorf("listed: %+v, %v", list, err)
	}
	change := func(version, status int, body map[string]any) {
		t.Helper()
		p.Pictures = nil
		a := do(t, seller, http.MethodPatch, "/v1/products/"+p.ID, body, "If-Match", fmt.Sprintf(`"%d"`, version))
		if a.Status != status || status == http.StatusOK && a.Into(&p) != nil {
			t.Errorf("%v: %s, want %d", body, a, status)
		}
	}
	change(1, http.StatusOK, map[string]any{"image_url": "/pictures/top.svg"})
	if p.ImageURL != "/pictures/top.svg" || fmt.Sprint(p.Pictures) != "[{/pictures/top.svg } {/pictures/side.svg }]" {
		t.Errorf("another main picture: %+v", p)
	}
	change(2, http.StatusUnprocessableEntity, map[string]any{"image_url": "/pictures/side.svg",
		"pictures": []any{map[string]any{"url": "/pictures/top.svg"}}})
	change(2, http.StatusOK, map[string]any{"image_url": ""})
	if p.ImageURL != "" || len(p.Pictures) != 0 {
		t.Errorf("no picture: %+v", p)
	}
}

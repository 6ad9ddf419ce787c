package cart

import (
	"fmt"
	"testing"
)

// A line shows the picture that its product has now; one that is not on sale has none.
func TestALineShowsThePresentPicture(t *testing.T) {
	kept := &memory{cart: Cart{Lines: []Line{{ProductID: "1", Quantity: 1}, {ProductID: "gone", Quantity: 1}}}}
	catalogue := &shelf{sold: map[string]Product{"1": {ID: "1", ImageURL: "/old.svg", Available: 9}}}
	s := NewService(kept, catalogue, nil, func() string { return "CNY" })
	for _, picture := range []string{"/old.svg", "/new.svg", ""} {
		catalogue.sold["1"] = Product{ID: "1", ImageURL: picture, Available: 9}
		v, err := s.Show(t.Context(), "7")
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%q %q", v.Items[0].ImageURL, v.Items[1].ImageURL); got != fmt.Sprintf("%q \"\"", picture) {
			t.Errorf("the pictures are %s, want %q and none", got, picture)
		}
	}
}

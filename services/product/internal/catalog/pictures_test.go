package catalog

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
)

var (
	front, side = Picture{URL: "/front.svg", Alt: "from the front"}, Picture{URL: "/side.svg"}
	both        = []Picture{front, side}
)

// image_url is the first of pictures, whichever of them a seller sends.
func TestTheMainPictureIsTheFirst(t *testing.T) {
	for name, c := range map[string]struct {
		image    *string
		pictures *[]Picture
		want     []Picture // nil: refused
	}{
		"nothing":                   {nil, nil, both},
		"an image":                  {new("/top.svg"), nil, []Picture{{URL: "/top.svg"}, side}},
		"the same image":            {new("/front.svg"), nil, both},
		"no image":                  {new(""), nil, []Picture{}},
		"a bad image":               {new("data:x"), nil, nil},
		"pictures":                  {nil, &[]Picture{side, front}, []Picture{side, front}},
		"no pictures":               {nil, &[]Picture{}, []Picture{}},
		"both":                      {new("/side.svg"), &[]Picture{side, front}, []Picture{side, front}},
		"neither":                   {new(""), &[]Picture{}, []Picture{}},
		"another image":             {new("/front.svg"), &[]Picture{side, front}, nil},
		"pictures without an image": {new(""), &both, nil},
		"ten":                       {nil, tenPictures(10), *tenPictures(10)},
		"eleven":                    {nil, tenPictures(11), nil},
		"one without an address":    {nil, &[]Picture{side, {Alt: "nothing"}}, nil},
		"one with a script":         {nil, &[]Picture{side, {URL: "javascript:alert(1)"}}, nil},
		"one with a long address":   {nil, &[]Picture{{URL: "/" + strings.Repeat("x", 2048)}}, nil},
		"one with two lines":        {nil, &[]Picture{{URL: "/x", Alt: "a\nb"}}, nil},
		"one with a long text":      {nil, &[]Picture{{URL: "/x", Alt: strings.Repeat("x", 251)}}, nil},
	} {
		draft := teapot
		draft.ImageURL, draft.Pictures = "", &both
		p, err := New("1", seller, draft, "CNY", noon)
		if err != nil {
			t.Fatal(err)
		}
		change := Change{Name: new("Kettle"), ImageURL: c.image, Pictures: c.pictures}
		err = p.Change(seller, 1, change, noon)
		if c.want == nil {
			if problem.KindOf(err) != problem.Invalid || !slices.Equal(p.Attributes().Pictures, both) {
				t.Errorf("%s: %v, %v; want a refusal", name, p.Attributes().Pictures, err)
			}
			continue
		}
		image := ""
		if len(c.want) > 0 {
			image = c.want[0].URL
		}
		if got := p.Attributes(); err != nil || !slices.Equal(got.Pictures, c.want) || got.ImageURL() != image {
			t.Errorf("%s: %v with main %q, %v; want %v", name, got.Pictures, got.ImageURL(), err, c.want)
		}
	}
	if !slices.Equal(both, []Picture{front, side}) {
		t.Errorf("a change wrote into the caller's pictures: %v", both)
	}
}

func tenPictures(n int) *[]Picture {
	pictures := slices.Repeat([]Picture{side}, n)
	return &pictures
}

// A new product has the pictures that were sent, by either name.
func TestANewProductHasItsPictures(t *testing.T) {
	for _, c := range []struct {
		image    string
		pictures *[]Picture
		want     []Picture
	}{{"", nil, nil}, {"/top.svg", nil, []Picture{{URL: "/top.svg"}}}, {"", &both, both}, {"/front.svg", &both, both},
		{"", &[]Picture{}, nil}} {
		draft := teapot
		draft.ImageURL, draft.Pictures = c.image, c.pictures
		p, err := New("1", seller, draft, "CNY", noon)
		if err != nil || !reflect.DeepEqual(p.Attributes().Pictures, c.want) {
			t.Errorf("%q and %v: %v, %v; want %v", c.image, c.pictures, p.Attributes().Pictures, err, c.want)
		}
	}
	draft := teapot
	draft.Pictures = &both
	if _, err := New("1", seller, draft, "CNY", noon); problem.KindOf(err) != problem.Invalid {
		t.Errorf("another image: %v, want invalid", err)
	}
}

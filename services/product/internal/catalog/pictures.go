package catalog

import (
	"slices"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
)

// Picture is a picture of a product.
type Picture struct {
	URL string `json:"url"`
	Alt string `json:"alt,omitempty"` // what it shows, for those who do not see it
}

// maxPictures bounds the pictures of a product.
const maxPictures = 10

var (
	imageRule = text.Rule{Most: 2048}
	altRule   = text.Rule{Most: 250}
)

const imageMessage = "must be an address like https://example.com/cup.jpg, " +
	"or a path on this site like /pictures/cup.svg"

// ImageURL is the address of the main picture, "" for none.
func (a Attributes) ImageURL() string {
	if len(a.Pictures) == 0 {
		return ""
	}
	return a.Pictures[0].URL
}

// WithImage returns pictures of which the first has the address url. "" stands for no picture at all.
func WithImage(pictures []Picture, url string) []Picture {
	switch {
	case url == "":
		return nil
	case len(pictures) == 0:
		return []Picture{{URL: url}}
	case pictures[0].URL != url:
		pictures = slices.Clone(pictures)
		pictures[0] = Picture{URL: url}
	}
	return pictures
}

// setPictures sets all pictures, or the first one by its address alone; nil leaves them. Both together must agree.
func (p *Product) setPictures(image *string, pictures *[]Picture) (bad []problem.Field) {
	if pictures == nil {
		if image == nil {
			return nil
		}
		if bad = checkImage("image_url", *image); len(bad) == 0 {
			p.attributes.Pictures = WithImage(p.attributes.Pictures, *image)
		}
		return bad
	}
	if len(*pictures) > maxPictures {
		bad = append(bad, problem.Field{Field: "pictures", Message: "must have at most 10 entries"})
	}
	for _, picture := range *pictures {
		bad = append(bad, altRule.Check("pictures.alt", picture.Alt)...)
		if picture.URL == "" {
			bad = append(bad, problem.Field{Field: "pictures.url", Message: imageMessage})
		}
		bad = append(bad, checkImage("pictures.url", picture.URL)...)
	}
	next := Attributes{Pictures: slices.Concat(*pictures)} // nil for none
	if image != nil && *image != next.ImageURL() {
		const message = "must be the address of the first of pictures, or left out"
		bad = append(bad, problem.Field{Field: "image_url", Message: message})
	}
	if len(bad) == 0 {
		p.attributes.Pictures = next.Pictures
	}
	return bad
}

func checkImage(field, url string) []problem.Field {
	bad := imageRule.Check(field, url)
	if len(bad) == 0 && !isImage(url) {
		bad = append(bad, problem.Field{Field: field, Message: imageMessage})
	}
	return bad
}

package clients

import (
	"context"
	"errors"

	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/product/internal/catalog"
)

// Pictures is the binding pictures: a folder, or a bucket.
type Pictures struct{ dapr *sidecar.Client }

// NewPictures makes the client.
func NewPictures(dapr *sidecar.Client) Pictures { return Pictures{dapr} }

const pictures = "pictures"

// Write implements catalog.Files.
func (p Pictures) Write(ctx context.Context, pic catalog.PictureFile) error {
	return p.dapr.WriteFile(ctx, pictures, file(pic.Name), pic.Content)
}

// Read implements catalog.Files.
func (p Pictures) Read(ctx context.Context, name string) (catalog.PictureFile, error) {
	content, err := p.dapr.ReadFile(ctx, pictures, file(name))
	if errors.Is(err, sidecar.ErrNoFile) {
		err = catalog.ErrNoPicture
	}
	return catalog.PictureFile{Name: name, Content: content}, err
}

func file(name string) string { return name + ".jpg" }

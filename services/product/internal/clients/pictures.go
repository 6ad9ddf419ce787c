package clients

import (
	"context"
	"errors"
	"fmt"

	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/product/internal/picture"
)

// Pictures is the binding pictures: a folder, or a bucket.
type Pictures struct{ dapr *sidecar.Client }

// NewPictures makes the client.
func NewPictures(dapr *sidecar.Client) Pictures { return Pictures{dapr} }

const pictures = "pictures"

// Write implements catalog.Files.
func (p Pictures) Write(ctx context.Context, pic picture.Picture) error {
	return p.dapr.WriteFile(ctx, pictures, file(pic.Name), pic.JPEG)
}

// Read implements catalog.Files. A file of which a crash has left a part is none.
func (p Pictures) Read(ctx context.Context, name string) ([]byte, error) {
	content, err := p.dapr.ReadFile(ctx, pictures, file(name))
	switch {
	case errors.Is(err, sidecar.ErrNoFile):
		return nil, picture.ErrMissing
	case err == nil && picture.NameOf(content) != name:
		return nil, fmt.Errorf("%w: the content of %s is another", picture.ErrMissing, name)
	}
	return content, err
}

func file(name string) string { return name + ".jpg" }

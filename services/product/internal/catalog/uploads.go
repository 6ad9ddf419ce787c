package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"daprmall.dev/services/kit/problem"
)

// PicturePath is the path of uploaded pictures; the name follows.
const PicturePath = "/v1/pictures/"

// UploadDay is the time in which product.uploads_per_day counts.
const UploadDay = 24 * time.Hour

// PictureFile is an uploaded picture as it is kept: a JPEG under the name that its content gives it.
type PictureFile struct {
	Name    string // 32 hexadecimal digits
	Content []byte
}

// NewPictureFile names a picture.
func NewPictureFile(content []byte) PictureFile {
	sum := sha256.Sum256(content)
	return PictureFile{hex.EncodeToString(sum[:16]), content}
}

func isPictureName(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// ErrNoPicture means that there is no picture with this name, or another content under it.
var ErrNoPicture = errors.New("no such picture")

// Files keeps pictures by name.
type Files interface {
	// Write keeps a picture. It is safe to repeat.
	Write(ctx context.Context, p PictureFile) error
	// Read returns a picture, or ErrNoPicture.
	Read(ctx context.Context, name string) (PictureFile, error)
}

// Upload is a picture that a seller has sent.
type Upload struct {
	Name  string
	By    string // the user who sent it first
	Bytes int
	At    time.Time
}

// UploadStore records uploads. Each method is one transaction.
type UploadStore interface {
	// Uploads counts the pictures that a user has uploaded since then.
	Uploads(ctx context.Context, by string, since time.Time) (int64, error)
	// Record records an upload, unless its picture has been uploaded before.
	Record(ctx context.Context, u Upload) error
}

// Uploads is what sellers do with pictures of their own.
type Uploads struct {
	products *Service
	store    UploadStore
	files    Files
	convert  func(file []byte) (jpeg []byte, err error)
	perDay   func() int64
}

// NewUploads makes the use cases of uploads. convert makes the picture that is kept of a file, or refuses it with a
// problem; perDay is how many pictures a user may upload in 24 hours.
func NewUploads(products *Service, store UploadStore, files Files, convert func(file []byte) (jpeg []byte, err error),
	perDay func() int64) *Uploads {
	return &Uploads{products, store, files, convert, perDay}
}

// Admit reports whether a user may upload a picture for a product now, before the picture is read.
func (s *Uploads) Admit(ctx context.Context, id string, by Actor) error {
	if err := s.products.mayTouch(ctx, id, by); err != nil {
		return err
	}
	n, err := s.store.Uploads(ctx, by.UserID, s.products.now().Add(-UploadDay))
	if err == nil && n >= s.perDay() {
		err = problem.New(problem.TooManyRequests, "too_many_uploads",
			"You have uploaded %d pictures in 24 hours. Upload more later.", n).After(time.Hour)
	}
	return err
}

// Add keeps a picture and puts it behind the others of a product, and reports whether it was not there yet. It is
// recorded before it is kept, and kept before the product names it: if the process dies in between, the next try does
// the rest.
func (s *Uploads) Add(ctx context.Context, id string, by Actor, file []byte, alt string) (View, bool, error) {
	alt = strings.TrimSpace(alt)
	if bad := altRule.Check("alt", alt); len(bad) > 0 {
		return View{}, false, problem.Validation(bad...)
	}
	content, err := s.convert(file)
	if err != nil {
		return View{}, false, err
	}
	pic := NewPictureFile(content)
	at := s.products.now()
	if err := s.store.Record(ctx, Upload{pic.Name, by.UserID, len(pic.Content), at}); err != nil {
		return View{}, false, err
	}
	// One that is whole is not written again: a crash on the way would damage it.
	if _, err := s.Picture(ctx, pic.Name); problem.KindOf(err) == problem.NotFound {
		if err := s.files.Write(ctx, pic); err != nil {
			return View{}, false, err
		}
	} else if err != nil {
		return View{}, false, err
	}
	added := false
	v, err := s.products.store.Change(ctx, id, func(p *Product) (err error) {
		added, err = p.addPicture(by, Picture{URL: PicturePath + pic.Name, Alt: alt}, at)
		return err
	})
	return v, added, err
}

// Picture returns an uploaded picture.
func (s *Uploads) Picture(ctx context.Context, name string) ([]byte, error) {
	if !isPictureName(name) {
		return nil, problem.NewNotFound("picture")
	}
	pic, err := s.files.Read(ctx, name)
	if err == nil && NewPictureFile(pic.Content).Name != name { // of which a crash has left a part
		err = ErrNoPicture
	}
	if errors.Is(err, ErrNoPicture) {
		return nil, problem.NewNotFound("picture")
	}
	return pic.Content, err
}

// addPicture puts a picture behind the others, if it is not there yet.
func (p *Product) addPicture(by Actor, pic Picture, at time.Time) (added bool, err error) {
	if err := p.mayTouch(by); err != nil {
		return false, err
	}
	if slices.ContainsFunc(p.attributes.Pictures, func(has Picture) bool { return has.URL == pic.URL }) {
		return false, nil
	}
	all := append(slices.Clone(p.attributes.Pictures), pic)
	return p.apply(Change{Pictures: &all}, at)
}

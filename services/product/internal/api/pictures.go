package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/picture"
)

const (
	// atOncePictures is how many pictures this process decodes at a time: each may need 200 MB.
	atOncePictures = 1
	// decodePatience is how long a picture waits for its turn.
	decodePatience = 8 * time.Second
)

// addPicture answers with the product: 201 if the picture is new on it, 200 if it was there.
func (h handler) addPicture(c *gin.Context) error {
	if err := web.OnlyQuery(c, "alt"); err != nil {
		return err
	}
	id, err := web.ID(c, "id", "product")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if err := h.uploads.Admit(ctx, id, actor(c)); err != nil {
		return err
	}
	leave, err := h.decodeTurn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	file, err := web.Read(c, picture.MaxBytes)
	if err != nil {
		return err
	}
	v, added, err := h.uploads.Add(ctx, id, actor(c), file, c.Query("alt"))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if added {
		status = http.StatusCreated
		c.Header("Location", v.Pictures[len(v.Pictures)-1].URL)
	}
	c.Header("ETag", web.ETag(v.Version))
	c.JSON(status, body(v))
	return nil
}

// decodeTurn waits until a picture may be decoded.
func (h handler) decodeTurn(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, decodePatience)
	defer cancel()
	select {
	case h.decoding <- struct{}{}:
		return func() { <-h.decoding }, nil
	case <-ctx.Done():
		return nil, problem.NewUnavailable(ctx.Err(), 5*time.Second, "Other pictures are being read. Send yours again.")
	}
}

// picture answers an uploaded picture. Its name comes from its content, so that browsers may keep it for ever.
func (h handler) picture(c *gin.Context) error {
	if err := web.OnlyQuery(c); err != nil {
		return err
	}
	name := c.Param("name")
	content, err := h.uploads.Picture(c.Request.Context(), name)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Header("ETag", `"`+name+`"`)
	c.Data(http.StatusOK, "image/jpeg", content)
	return nil
}

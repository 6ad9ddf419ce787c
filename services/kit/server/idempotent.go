package server

import (
	"bytes"
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// Keyed reads the request of a signed-in user with its Idempotency-Key, "" if none was sent.
func Keyed(c *gin.Context, store *idempotency.Store) (keyed.Request, error) {
	key, err := web.IdempotencyKey(c.Request.Header)
	if err != nil || key == "" {
		return keyed.Request{}, err
	}
	body, err := web.Body(c)
	if err != nil {
		return keyed.Request{}, err
	}
	return keyed.Request{User: web.User(c).ID, Key: key,
		Fingerprint: store.Fingerprint(c.Request.Method, c.Request.URL.Path, body)}, nil
}

// RequireKey is Keyed for a route that refuses requests without a key.
func RequireKey(c *gin.Context, store *idempotency.Store) (keyed.Request, error) {
	r, err := Keyed(c, store)
	if err == nil && r.Key == "" {
		err = web.IdempotencyKeyRequired()
	}
	return r, err
}

// Idempotent makes a signed-in route honour an Idempotency-Key if one is sent: the handler takes the id of what it
// creates from store.Effect, so that a run after a crash finds what the first one created.
func Idempotent(store *idempotency.Store) gin.HandlerFunc {
	return func(c *gin.Context) {
		r, err := Keyed(c, store)
		if err == nil && r.Key == "" {
			return
		}
		var answer keyed.Answer
		if err == nil {
			answer, err = store.Do(c.Request.Context(), r, keyed.Work{
				Act: func(ctx context.Context, run keyed.Run) (keyed.Answer, error) {
					c.Request = c.Request.WithContext(idempotency.WithEffect(ctx, run.EffectID))
					rec := &recorder{ResponseWriter: c.Writer}
					c.Writer = rec
					c.Next()
					return keyed.Answer{Status: rec.Status(), ETag: rec.Header().Get("ETag"), Body: rec.body.Bytes()}, nil
				}})
		}
		switch {
		case err != nil:
			c.Abort()
			fail(c, err)
		case answer.Replayed:
			c.Abort()
			if answer.Status == http.StatusCreated { // what such a route creates has the effect's id
				c.Header("Location", c.Request.URL.Path+"/"+answer.EffectID)
			}
			WriteAnswer(c, answer)
		}
	}
}

// WriteAnswer sends the answer of a request with a key.
func WriteAnswer(c *gin.Context, a keyed.Answer) {
	if a.Replayed {
		c.Header("Idempotent-Replayed", "true")
	}
	if a.ETag != "" {
		c.Header("ETag", a.ETag)
	}
	contentType := "application/json; charset=utf-8"
	if a.Status >= 400 {
		contentType = problem.ContentType
	}
	if len(a.Body) == 0 {
		c.Status(a.Status)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(a.Status, contentType, a.Body)
}

// recorder keeps a copy of the answer's body.
type recorder struct {
	gin.ResponseWriter
	body bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

func (r *recorder) WriteString(s string) (int, error) {
	r.body.WriteString(s)
	return r.ResponseWriter.WriteString(s)
}

var _ http.ResponseWriter = (*recorder)(nil)

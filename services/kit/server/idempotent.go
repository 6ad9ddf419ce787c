package server

import (
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
		return keyed.Request{User: web.User(c).ID}, err
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

// WriteCreated is WriteAnswer for a request to a collection that creates what has the effect's id.
func WriteCreated(c *gin.Context, a keyed.Answer, err error) error {
	if err == nil && a.Status == http.StatusCreated {
		c.Header("Location", c.Request.URL.Path+"/"+a.EffectID)
	}
	return WriteAnswer(c, a, err)
}

// WriteAnswer sends what keyed.Runner.Do returns: the answer, unless there is an error, which it returns.
func WriteAnswer(c *gin.Context, a keyed.Answer, err error) error {
	if err != nil {
		return err
	}
	if a.Replayed {
		c.Header("Idempotent-Replayed", "true")
	}
	if a.ETag != "" {
		c.Header("ETag", a.ETag)
	}
	if a.Refusal != nil { // not of a replay: the time that it names has passed
		_, retry := problem.Describe(a.Refusal, "")
		web.AdviseRetry(c, retry)
	}
	contentType := "application/json; charset=utf-8"
	if a.Status >= 400 {
		contentType = problem.ContentType
	}
	if len(a.Body) == 0 {
		c.Status(a.Status)
		c.Writer.WriteHeaderNow()
		return nil
	}
	c.Data(a.Status, contentType, a.Body)
	return nil
}

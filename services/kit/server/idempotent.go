package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
	"daprmall.dev/services/kit/web"
)

// Idempotent makes a signed-in route honour an Idempotency-Key if one is sent: the handler takes the id of what it
// creates from store.Effect, so that a run after a crash finds what the first one created.
func Idempotent(store *idempotency.Store) gin.HandlerFunc {
	return Handle(func(c *gin.Context) error {
		key, err := web.Key(c.Request.Header)
		if err != nil || key == "" {
			if err != nil {
				c.Abort()
			}
			return err
		}
		ctx, done := idempotency.Detached(c.Request.Context())
		defer done()
		user := web.User(c).ID
		body, err := web.Body(c)
		if err != nil {
			c.Abort()
			return err
		}
		claim, err := store.Begin(ctx, user, key, store.Fingerprint(c.Request.Method, c.Request.URL.Path, body), nil)
		if err != nil {
			c.Abort()
			return err
		}
		if claim.Answer != nil {
			c.Abort()
			if claim.Answer.Status == http.StatusCreated { // what such a route creates has the effect's id
				c.Header("Location", c.Request.URL.Path+"/"+claim.EffectID)
			}
			Replay(c, *claim.Answer)
			return nil
		}
		c.Request = c.Request.WithContext(idempotency.WithEffect(ctx, claim.EffectID))
		rec := &recorder{ResponseWriter: c.Writer}
		c.Writer = rec
		ended := false
		settle := func() error {
			// Stored even if the lease is over: it was done.
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			if ended && idempotency.Kept(rec.Status()) {
				return store.Finish(end, user, key, idempotency.Answer{Status: rec.Status(), ETag: rec.Header().Get("ETag"),
					Body: rec.body.Bytes()})
			}
			return store.Release(end, user, key)
		}
		defer func() {
			if !ended { // a panic: release, so that the next try need not wait for the lease
				_ = settle()
			}
		}()
		c.Next()
		ended = true
		return settle()
	})
}

// Replay sends the first answer again.
func Replay(c *gin.Context, a idempotency.Answer) {
	c.Header("Idempotent-Replayed", "true")
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

// Refusal is the answer to store for a refused request.
func Refusal(ctx context.Context, err error) idempotency.Answer {
	doc, _ := problem.Describe(err, telemetry.TraceOf(ctx).ID)
	body, _ := json.Marshal(doc) // strings and integers only
	return idempotency.Answer{Status: doc.Status, Body: body}
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

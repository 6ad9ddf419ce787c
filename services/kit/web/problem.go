package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
)

// WriteProblem answers with a problem document, and with Retry-After (in whole seconds, rounded up) if retry is not 0.
// It does nothing once an answer has begun.
func WriteProblem(c *gin.Context, doc problem.Document, retry time.Duration) {
	if c.Writer.Written() {
		return
	}
	AdviseRetry(c, retry)
	body, err := json.Marshal(doc)
	if err != nil {
		c.Status(http.StatusInternalServerError)
		return
	}
	c.Data(doc.Status, problem.ContentType, body)
}

// AdviseRetry sets Retry-After, in whole seconds, rounded up, if retry is not 0.
func AdviseRetry(c *gin.Context, retry time.Duration) {
	if retry > 0 {
		c.Header("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	}
}

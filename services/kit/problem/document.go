package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// ContentType is the media type of a problem document (RFC 9457).
const ContentType = "application/problem+json"

// Document is a refusal as it crosses the wire (RFC 9457 with code, trace_id and errors).
type Document struct {
	Type    string  `json:"type"`
	Title   string  `json:"title"`
	Status  int     `json:"status"`
	Detail  string  `json:"detail"`
	Code    string  `json:"code"`
	TraceID string  `json:"trace_id"`
	Errors  []Field `json:"errors,omitempty"`
}

// NewDocument makes the document of a status that no Kind stands for, such as 405.
func NewDocument(status int, code, detail, traceID string) Document {
	return Document{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, TraceID: traceID}
}

// statuses is the one table between kinds and statuses, read both ways.
var statuses = []struct {
	kind   Kind
	status int
}{
	{BadRequest, http.StatusBadRequest},
	{Unauthenticated, http.StatusUnauthorized},
	{PaymentRequired, http.StatusPaymentRequired},
	{Forbidden, http.StatusForbidden},
	{NotFound, http.StatusNotFound},
	{Conflict, http.StatusConflict},
	{Gone, http.StatusGone},
	{PreconditionFailed, http.StatusPreconditionFailed},
	{TooLarge, http.StatusRequestEntityTooLarge},
	{Invalid, http.StatusUnprocessableEntity},
	{PreconditionRequired, http.StatusPreconditionRequired},
	{TooManyRequests, http.StatusTooManyRequests},
	{Internal, http.StatusInternalServerError},
	{Unavailable, http.StatusServiceUnavailable},
	{Timeout, http.StatusGatewayTimeout},
}

// Status gives the HTTP status of a kind; 500 for one it does not know.
func Status(k Kind) int {
	for _, s := range statuses {
		if s.kind == k {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

func kindOfStatus(status int) Kind {
	for _, s := range statuses {
		if s.status == status {
			return s.kind
		}
	}
	if status >= 400 && status < 500 {
		return BadRequest
	}
	return Internal
}

// Describe gives the document of any error and the delay to advise. An error that is not a
// refusal shows nothing of itself.
func Describe(err error, traceID string) (Document, time.Duration) {
	var p *Error
	if !errors.As(err, &p) {
		p = New(Internal, "internal", "Something went wrong on our side. Give support the trace_id.")
	}
	status := Status(p.Kind)
	retry := p.RetryAfter
	if retry == 0 && (p.Kind == Unavailable || p.Kind == TooManyRequests) {
		retry = time.Second
	}
	return Document{
		Type:    "about:blank",
		Title:   http.StatusText(status),
		Status:  status,
		Detail:  p.Detail,
		Code:    p.Code,
		TraceID: traceID,
		Errors:  p.Fields,
	}, retry
}

// FromResponse reads the refusal that a peer answered, so that it keeps its kind and code
// on its way to the caller. A body that is no problem document gives only the status.
func FromResponse(status int, body []byte, retryAfter time.Duration) *Error {
	var d Document
	if err := json.Unmarshal(body, &d); err != nil || d.Code == "" {
		e := New(kindOfStatus(status), "", "The service answered %d.", status)
		return e.After(retryAfter)
	}
	e := New(kindOfStatus(status), d.Code, "%s", d.Detail)
	e.Fields = d.Errors
	return e.After(retryAfter)
}

package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// ContentType is the media type of a problem document (RFC 9457).
const ContentType = "application/problem+json"

// Document is a problem document on the wire (RFC 9457 with members of our own).
type Document struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"`
	Code     string   `json:"code"`
	TraceID  string   `json:"trace_id"`
	Errors   []Field  `json:"errors,omitempty"`
	Limit    *Limit   `json:"limit,omitempty"`     // the limit that is reached
	OrderIDs []string `json:"order_ids,omitempty"` // the caller's own orders that are in the way
}

// NewDocument makes the document of a status that no Kind stands for, such as 405.
func NewDocument(status int, code, detail, traceID string) Document {
	return Document{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail,
		TraceID: traceID}
}

// statuses maps kinds to HTTP statuses and back.
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

// Status returns the HTTP status of a kind; 500 for an unknown one.
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

// Describe returns the document of any error and the delay to advise. An error that is not an *Error reveals nothing of
// itself.
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
		Type:     "about:blank",
		Title:    http.StatusText(status),
		Status:   status,
		Detail:   p.Detail,
		Code:     p.Code,
		TraceID:  traceID,
		Errors:   p.Fields,
		Limit:    p.Limit,
		OrderIDs: p.OrderIDs,
	}, retry
}

// FromResponse reads the refusal of another service, so that its kind and code reach the caller. If the body is not a
// problem document, only the status is used.
func FromResponse(status int, body []byte, retryAfter time.Duration) *Error {
	var d Document
	if err := json.Unmarshal(body, &d); err != nil || d.Code == "" {
		e := New(kindOfStatus(status), "", "The service answered %d.", status)
		return e.After(retryAfter)
	}
	e := New(kindOfStatus(status), d.Code, "%s", d.Detail)
	e.Fields, e.Limit, e.OrderIDs = d.Errors, d.Limit, d.OrderIDs
	return e.After(retryAfter)
}

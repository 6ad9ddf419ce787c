// Package problem is the vocabulary of refusals: what went wrong, in words a caller may see, with a stable code. It
// needs only the standard library, so that domain packages can use it without knowing HTTP.
package problem

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a refusal; it decides the HTTP status.
type Kind string

// The kinds.
const (
	BadRequest           Kind = "bad_request"
	Unauthenticated      Kind = "unauthenticated"
	PaymentRequired      Kind = "payment_required"
	Forbidden            Kind = "forbidden"
	NotFound             Kind = "not_found"
	Conflict             Kind = "conflict"
	Gone                 Kind = "gone"
	PreconditionFailed   Kind = "precondition_failed"
	TooLarge             Kind = "too_large"
	Invalid              Kind = "invalid"
	PreconditionRequired Kind = "precondition_required"
	TooManyRequests      Kind = "too_many_requests"
	Internal             Kind = "internal"
	Unavailable          Kind = "unavailable"
	Timeout              Kind = "timeout"
)

// Field names one part of a request and what is wrong with it.
type Field struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is a refusal that a caller may see. The error it wraps is only logged.
type Error struct {
	Kind       Kind
	Code       string // stable, snake_case, listed in openapi.yaml
	Detail     string
	Fields     []Field
	RetryAfter time.Duration // 0: no advice
	Limit      *Limit        // which limit is reached
	OrderIDs   []string      // the caller's own orders that are in the way
	cause      error
}

// Limit is a limit that the caller has reached.
type Limit struct {
	Name  string    `json:"name"`
	Most  int64     `json:"max"`
	Used  int64     `json:"used"`           // how much of it the caller has used
	Until time.Time `json:"until,omitzero"` // when less of it is used, if the caller does nothing; zero if none is used
}

// New makes a refusal. An empty code means the kind's name.
func New(kind Kind, code, format string, args ...any) *Error {
	if code == "" {
		code = string(kind)
	}
	return &Error{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap makes a refusal that keeps its cause for the log.
func Wrap(cause error, kind Kind, code, format string, args ...any) *Error {
	e := New(kind, code, format, args...)
	e.cause = cause
	return e
}

// Validation refuses input field by field.
func Validation(fields ...Field) *Error {
	e := New(Invalid, "validation_failed", "The request has invalid fields.")
	e.Fields = fields
	return e
}

// NewNotFound refuses an object that does not exist or belongs to somebody else: both look the same.
func NewNotFound(what string) *Error {
	return New(NotFound, "not_found", "No such %s.", what)
}

// NewUnavailable refuses because something cannot be reached now.
func NewUnavailable(cause error, after time.Duration, format string, args ...any) *Error {
	e := Wrap(cause, Unavailable, "unavailable", format, args...)
	e.RetryAfter = after
	return e
}

// With adds fields.
func (e *Error) With(fields ...Field) *Error {
	e.Fields = append(e.Fields, fields...)
	return e
}

// Limited says which limit is reached.
func (e *Error) Limited(l Limit) *Error {
	l.Until = l.Until.UTC().Truncate(time.Second)
	e.Limit = &l
	return e
}

// After advises the caller when to try again.
func (e *Error) After(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

func (e *Error) Error() string {
	s := e.Code + ": " + e.Detail
	for _, f := range e.Fields {
		s += " [" + f.Field + ": " + f.Message + "]"
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of the first refusal in err's chain: "" for nil, Internal for anything else.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var p *Error
	if errors.As(err, &p) {
		return p.Kind
	}
	return Internal
}

// CodeOf returns the code of the first refusal in err's chain, "" if there is none.
func CodeOf(err error) string {
	var p *Error
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

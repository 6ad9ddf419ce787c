package web

import (
	"net/http"
	"strings"

	"daprmall.dev/services/kit/problem"
)

// IdempotencyKeyHeader carries a client's Idempotency-Key.
const IdempotencyKeyHeader = "Idempotency-Key"

// IdempotencyKey returns the key of a request: 1 to 255 printable ASCII characters, "" if none was sent.
func IdempotencyKey(h http.Header) (string, error) {
	sent := h.Values(IdempotencyKeyHeader)
	if len(sent) == 0 {
		return "", nil
	}
	if len(sent) > 1 || len(sent[0]) < 1 || len(sent[0]) > 255 || strings.ContainsFunc(sent[0], unprintable) {
		return "", problem.New(problem.BadRequest, "idempotency_key_invalid",
			"An Idempotency-Key is 1 to 255 printable ASCII characters.")
	}
	return sent[0], nil
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// IdempotencyKeyRequired is the refusal of a request without an Idempotency-Key.
func IdempotencyKeyRequired() error {
	return problem.New(problem.BadRequest, "idempotency_key_required",
		"Send an Idempotency-Key, so that trying again cannot do it twice.")
}

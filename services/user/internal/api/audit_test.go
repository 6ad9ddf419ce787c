package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/server"
)

// store is a configuration store with a verdict; nil: it is away.
type store map[string]config.Value

func (s store) Config(context.Context, []string) (map[string]config.Value, error) {
	if s == nil {
		return nil, errors.New("away")
	}
	return s, nil
}

func TestTheVerdictIsShownAsItWasKept(t *testing.T) {
	const kept = `{"at":"2026-11-28T02:00:00Z","balanced":false,` +
		`"books":[{"id":"C1","title":"stock","verdict":"violated","findings":2}]}`
	for what, c := range map[string]struct {
		store  store
		status int
		body   string
	}{
		"kept":     {store{userv1.KeyVerdict: {Text: kept}}, http.StatusOK, kept},
		"none":     {store{}, http.StatusNotFound, ""},
		"no JSON":  {store{userv1.KeyVerdict: {Text: "yes"}}, http.StatusInternalServerError, ""},
		"no store": {nil, http.StatusServiceUnavailable, ""},
	} {
		rec := httptest.NewRecorder()
		e := gin.New()
		e.GET("/", server.Handle(handler{settings: c.store}.audit))
		e.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if rec.Code != c.status || c.body != "" && rec.Body.String() != c.body {
			t.Errorf("%s: %d %s", what, rec.Code, rec.Body)
		}
	}
}

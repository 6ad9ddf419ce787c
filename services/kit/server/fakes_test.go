package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

var errSecret = errors.New("pq: password authentication failed for user order")

// testServer is a service's server whose log can be read.
type testServer struct {
	t   *testing.T
	s   *Server
	log *bytes.Buffer
}

func open(t *testing.T, checks ...web.Check) *testServer {
	t.Helper()
	var log bytes.Buffer
	v := identity.NewVerifier(func(context.Context) (identity.KeySet, error) { return identity.KeySet{}, nil })
	return &testServer{t, New(config.Env{AppID: "order", AppAPIToken: "secret"}, slog.New(slog.NewJSONHandler(&log, nil)),
		v, checks...), &log}
}

type answer struct {
	status int
	header http.Header
	body   string
	doc    problem.Document // the problem document of a refusal
}

// ask sends a request as the service's own sidecar does. "Name: value" adds a header, "-Name" removes one.
func (d *testServer) ask(method, path, body string, headers ...string) answer {
	d.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, path, r)
	req.Header.Set(tokenHeader, "secret")
	for _, h := range headers {
		if name, gone := strings.CutPrefix(h, "-"); gone {
			req.Header.Del(name)
			continue
		}
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	rec := httptest.NewRecorder()
	d.s.ServeHTTP(rec, req)
	a := answer{status: rec.Code, header: rec.Header(), body: rec.Body.String()}
	if a.status >= 400 && strings.HasPrefix(a.header.Get("Content-Type"), problem.ContentType) {
		if err := json.Unmarshal([]byte(a.body), &a.doc); err != nil {
			d.t.Errorf("%s %s: %v in %s", method, path, err, a.body)
		}
	}
	return a
}

// want compares status and code, and checks that a refusal is a complete problem document.
func (a answer) want(t *testing.T, what string, status int, code string) {
	t.Helper()
	if a.status != status || a.doc.Code != code {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, a.body, status, code)
	}
	if code != "" && (a.doc.Status != status || a.doc.Title != http.StatusText(status) || a.doc.Type != "about:blank" ||
		a.doc.Detail == "" || len(a.doc.TraceID) != 32) {
		t.Errorf("%s: not a complete problem document: %s", what, a.body)
	}
}

// as makes requests come from a user, without a token.
func as(user string) gin.HandlerFunc {
	return func(c *gin.Context) {
		if given := c.GetHeader("X-User"); given != "" {
			user = given
		}
		c.Request = c.Request.WithContext(identity.With(c.Request.Context(), identity.User{ID: user}, "token"))
	}
}

package edge

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
)

// A page that sends sessionHeader: cookie keeps its refresh token in a cookie that no script can read (ADR 46). A page
// of another origin cannot send the header without asking first, and is refused.
const (
	sessionHeader = "X-Mall-Session"
	cookieMode    = "cookie"
)

// Names of the cookie. A browser takes __Host- only over TLS, and from this host alone. On this machine there is no
// TLS.
const (
	refreshCookie      = "__Host-mall_refresh"
	localRefreshCookie = "mall_refresh"
)

// CookieUse says what a route does with the cookie of a session.
type CookieUse string

// The values of CookieUse.
const (
	CookieNone  CookieUse = ""
	CookieSets  CookieUse = "sets"
	CookieReads CookieUse = "reads" // and sets
	CookieEnds  CookieUse = "ends"
)

// useCookie puts the refresh token of the cookie into the body, and makes the answer's token a cookie, if the client
// asks for it.
func (g *Gateway) useCookie(c *gin.Context, request *call) error {
	switch c.GetHeader(sessionHeader) {
	case "":
		return nil
	case cookieMode:
	default:
		return problem.New(problem.BadRequest, "bad_request", "%s is %q, or absent.", sessionHeader, cookieMode)
	}
	if err := g.Origins().checkOrigin(c.Request); err != nil {
		return err
	}
	use := request.route.Cookie
	if use == CookieReads {
		var err error
		if request.body, err = bodyOfCookie(c.Request, request.body); err != nil {
			return err
		}
	}
	request.change = func(a answer) answer { return cookieOf(c, use, a) }
	return nil
}

// bodyOfCookie returns the body of a refresh with the token of the cookie.
func bodyOfCookie(r *http.Request, body []byte) ([]byte, error) {
	sent := map[string]json.RawMessage{}
	if len(body) > 0 && (json.Unmarshal(body, &sent) != nil || len(sent) > 0) {
		return nil, problem.Validation(problem.Field{Field: "refresh_token",
			Message: "is in the cookie: send {} as the body"})
	}
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil, problem.New(problem.Unauthenticated, "invalid_refresh_token",
			"Sign in again: there is no cookie with a refresh token.")
	}
	return json.Marshal(map[string]string{"refresh_token": cookie.Value})
}

// cookieOf moves the refresh token of an answer into the cookie. What the service says of a token that is no longer
// valid, or of a session that has ended, removes the cookie.
func cookieOf(c *gin.Context, use CookieUse, a answer) answer {
	switch {
	case a.err != nil || a.stream != nil:
		return a
	case use == CookieEnds && a.status < 300, use == CookieReads && a.status == http.StatusUnauthorized:
		setRefreshCookie(c, "", -1)
		return a
	case use == CookieEnds || a.status >= 300:
		return a
	}
	var token struct {
		Refresh string `json:"refresh_token"`
		Seconds int    `json:"refresh_expires_in"`
	}
	fields := map[string]json.RawMessage{}
	err := json.Unmarshal(a.body, &token)
	if err == nil {
		err = json.Unmarshal(a.body, &fields)
	}
	if err == nil {
		delete(fields, "refresh_token")
		a.body, err = json.Marshal(fields)
	}
	if err != nil || token.Refresh == "" {
		return answer{err: problem.Wrap(err, problem.Internal, "", "The session cannot be kept.")}
	}
	setRefreshCookie(c, token.Refresh, token.Seconds)
	return a
}

func setRefreshCookie(c *gin.Context, value string, seconds int) {
	name := cookieName(c.Request)
	//nolint:gosec // not Secure on this machine only
	http.SetCookie(c.Writer, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true,
		Secure: name == refreshCookie, SameSite: http.SameSiteStrictMode})
}

// cookieName is the name of the cookie on the host that the browser has asked.
func cookieName(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if host == "localhost" || err == nil && addr.IsLoopback() {
		return localRefreshCookie
	}
	return refreshCookie
}

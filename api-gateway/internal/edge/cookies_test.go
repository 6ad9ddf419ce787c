package edge_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

const issued = `{"access_token":"a.b.c","token_type":"Bearer","expires_in":900,` +
	`"refresh_token":"r-2","refresh_expires_in":600}`

// openAuth is open with an auth service that signs everybody in, and takes the refresh token r-1 alone.
func openAuth(t *testing.T, origins string) *mall {
	t.Helper()
	return open(t, func(m *mall) {
		m.origins = origins
		m.answer = func(w http.ResponseWriter, r *http.Request) {
			m.seenMu.Lock()
			sent := m.bodies[len(m.bodies)-1]
			m.seenMu.Unlock()
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			switch {
			case !strings.HasSuffix(r.URL.Path, "/refresh"):
				w.WriteHeader(http.StatusCreated)
				_, _ = io.WriteString(w, issued)
			case sent == `{"refresh_token":"r-1"}`:
				_, _ = io.WriteString(w, issued)
			default:
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"",`+
					`"code":"invalid_refresh_token","trace_id":"0af7651916cd43dd8448eb211c80319c"}`)
			}
		}
	})
}

// refreshCookies are the cookies for refresh tokens that an answer sets.
func refreshCookies(r reply) (all []*http.Cookie) {
	for _, c := range r.Cookies() {
		if strings.HasSuffix(c.Name, "mall_refresh") {
			all = append(all, c)
		}
	}
	return all
}

const (
	credentials = `{"email":"a@example.org","password":"hunter22hunter"}` //nolint:gosec // of nobody
	inCookie    = "X-Mall-Session: cookie"
)

// In cookie mode no script sees the refresh token; without the header nothing changes.
func TestARefreshTokenIsInTheCookieAlone(t *testing.T) {
	m := openAuth(t, "")
	for what, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
	}{
		"sign-in": {"/v1/sessions", credentials, nil, 201},
		"refresh": {"/v1/sessions/refresh", "{}", []string{"Cookie: mall_refresh=r-1"}, 200},
	} {
		res := m.do("POST", c.path, c.body, append(c.headers, inCookie)...)
		set := refreshCookies(res)
		if res.StatusCode != c.status || strings.Contains(res.text, "r-2") || strings.Contains(res.text, `"refresh_token"`) ||
			!strings.Contains(res.text, `"refresh_expires_in":600`) || !strings.Contains(res.text, `"access_token":"a.b.c"`) {
			t.Errorf("%s: %d %s", what, res.StatusCode, res.text)
		}
		if len(set) != 1 || set[0].Name != "mall_refresh" || set[0].Value != "r-2" || !set[0].HttpOnly ||
			set[0].MaxAge != 600 || set[0].SameSite != http.SameSiteStrictMode || set[0].Domain != "" || set[0].Path != "/" {
			t.Errorf("%s: cookies %v", what, set)
		}
	}
	plain := m.do("POST", "/v1/sessions", credentials)
	if plain.text != issued || len(refreshCookies(plain)) > 0 {
		t.Errorf("without the header: %s, %v", plain.text, plain.Cookies())
	}
	m.do("POST", "/v1/sessions/refresh", `{"refresh_token":"x"}`, "Cookie: mall_refresh=r-1").want(t,
		"a cookie without the header", 401, "invalid_refresh_token")
}

// Beyond this machine the cookie is Secure and of this host alone.
func TestTheCookieIsSecureBeyondThisMachine(t *testing.T) {
	m := openAuth(t, "")
	for host, secure := range map[string]bool{"localhost:8080": false, "127.0.0.1": false, "[::1]:8080": false,
		"shop.example": true, "shop.example:8080": true, "localhost.shop.example": true, "10.0.0.1": true} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.front.URL+"/v1/sessions",
			strings.NewReader(credentials))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Mall-Session", "cookie")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		set := refreshCookies(reply{Response: res})
		if len(set) != 1 || set[0].Secure != secure || strings.HasPrefix(set[0].Name, "__Host-") != secure {
			t.Errorf("%s: %v, want Secure %v", host, set, secure)
		}
	}
}

func TestWhatRemovesTheCookie(t *testing.T) {
	m := openAuth(t, "")
	gone := m.do("POST", "/v1/sessions/refresh", "{}", inCookie, "Cookie: mall_refresh=old")
	gone.want(t, "a token that is not valid", 401, "invalid_refresh_token")
	for what, res := range map[string]reply{"refused": gone, "signed out": m.signed("DELETE", "/v1/sessions/current", "",
		inCookie, "Cookie: mall_refresh=r-1")} {
		if set := refreshCookies(res); len(set) != 1 || set[0].MaxAge >= 0 || set[0].Value != "" {
			t.Errorf("%s: %d %s with cookies %v, want the cookie removed", what, res.StatusCode, res.text, set)
		}
	}
	if set := refreshCookies(m.signed("DELETE", "/v1/sessions/current", "")); len(set) > 0 {
		t.Errorf("without the header: %v", set)
	}
	m.do("POST", "/v1/sessions/refresh", "", inCookie).want(t, "no cookie", 401, "invalid_refresh_token")
	m.do("POST", "/v1/sessions/refresh", `{"refresh_token":"r-1"}`, inCookie, "Cookie: mall_refresh=r-1").want(t,
		"a token in cookie and body", 422, "validation_failed")
	m.do("POST", "/v1/sessions", credentials, "X-Mall-Session: yes").want(t, "another mode", 400, "bad_request")
}

// A page of another origin cannot use the cookie, with the header or without.
func TestPagesOfOtherOriginsCannotUseTheCookie(t *testing.T) {
	m := openAuth(t, "https://shop.example")
	for what, c := range map[string]struct {
		headers []string
		status  int
	}{
		"the same origin":               {[]string{"Sec-Fetch-Site: same-origin"}, 200},
		"no browser":                    {nil, 200},
		"an allowed origin":             {[]string{"Sec-Fetch-Site: same-site", "Origin: https://shop.example"}, 200},
		"another origin":                {[]string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, 403},
		"a neighbour of this site":      {[]string{"Sec-Fetch-Site: same-site", "Origin: https://blog.example"}, 403},
		"an old browser, elsewhere":     {[]string{"Origin: https://evil.example"}, 403},
		"a page without an origin":      {[]string{"Origin: null"}, 403},
		"an old browser, from our host": {[]string{"Origin: " + m.front.URL}, 200},
	} {
		headers := append(c.headers, inCookie, "Cookie: mall_refresh=r-1")
		res := m.do("POST", "/v1/sessions/refresh", "{}", headers...)
		if res.StatusCode != c.status || c.status == 403 && (res.doc.Code != "cross_origin" || len(refreshCookies(res)) > 0) {
			t.Errorf("%s: %d %s, want %d", what, res.StatusCode, res.text, c.status)
		}
	}
}

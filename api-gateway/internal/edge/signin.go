package edge

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"daprmall.dev/api-gateway/internal/limit"
)

// deviceCookie identifies a browser, so that an account recognises a device it has signed in from before, whatever its
// address. It does not authenticate; its holder is limited as this device instead of as a stranger (OWASP: device
// cookies).
const (
	deviceCookie  = "mall_device"
	deviceSeconds = 90 * 24 * 60 * 60
)

// signIn forwards a sign-in, within the limits of its client and of the account it names.
func (g *Gateway) signIn(c *gin.Context, client string, out call) error {
	// a client that disconnects has still made a try
	ctx, email := context.WithoutCancel(c.Request.Context()), emailIn(out.body)
	if email == "" {
		return g.signUp(c, client, out)
	}
	attempt, ok, retry := g.Limits.SignIn.Begin(ctx, limit.Client{Address: client, Device: device(c)}, email)
	if !ok {
		g.Metrics.limited.WithLabelValues("signin").Inc()
		return tooMany(retry)
	}
	err := g.Proxy.Forward(c.Writer, c.Request, out)
	outcome := limit.Neither
	switch {
	case errors.Is(err, errGone): // the client disconnected
		outcome = limit.Failed
	case err != nil:
	case c.Writer.Status() == http.StatusCreated:
		outcome = limit.SignedIn
	case c.Writer.Status() == http.StatusUnauthorized:
		outcome = limit.Failed
	}
	attempt.End(ctx, outcome)
	return err
}

// signUp forwards a sign-up, within the limit of its client.
func (g *Gateway) signUp(c *gin.Context, client string, out call) error {
	ctx := context.WithoutCancel(c.Request.Context())
	if ok, retry := g.Limits.SignIn.Take(ctx, client); !ok {
		g.Metrics.limited.WithLabelValues("signin").Inc()
		return tooMany(retry)
	}
	err := g.Proxy.Forward(c.Writer, c.Request, out)
	if err == nil && out.route.Rate == RateSignUp && c.Writer.Status() == http.StatusCreated {
		g.Limits.SignIn.Remember(ctx, limit.Client{Address: client}, emailIn(out.body))
	}
	return err
}

// withPassword forwards a request with the signed-in user's password, within a limit: the holder of a stolen token must
// not guess it.
func (g *Gateway) withPassword(c *gin.Context, out call) error {
	if ok, retry := g.Limits.SignIn.TakePassword(context.WithoutCancel(c.Request.Context()), out.user); !ok {
		g.Metrics.limited.WithLabelValues("password").Inc()
		return tooMany(retry)
	}
	return g.Proxy.Forward(c.Writer, c.Request, out)
}

// device returns the client's device cookie, and sets a new one if there is none.
func device(c *gin.Context) string {
	if known, err := c.Request.Cookie(deviceCookie); err == nil && len(known.Value) == deviceLength {
		return known.Value
	}
	name := make([]byte, 18)
	_, _ = rand.Read(name) // never fails
	value := base64.RawURLEncoding.EncodeToString(name)
	//nolint:gosec // not Secure: the gateway stands behind whoever does TLS, and a stolen name lets nobody in
	http.SetCookie(c.Writer, &http.Cookie{Name: deviceCookie, Value: value, Path: "/v1/sessions", MaxAge: deviceSeconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return value
}

const deviceLength = 24 // of 18 bytes in base64

// emailIn returns the email of a body as the user service reads it, "" if there is none.
func emailIn(body []byte) string {
	var b struct {
		Email string `json:"email"`
	}
	if json.Unmarshal(body, &b) != nil { // the service will refuse it
		return ""
	}
	return strings.ToLower(strings.TrimSpace(b.Email))
}

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
	"daprmall.dev/services/kit/mailbox"
)

// deviceCookie identifies a browser, so that the sign-in limit recognises a device that has signed in to an account
// before, whatever its address (OWASP calls this a device cookie). It does not authenticate anybody: its holder only
// has the limit of this device instead of the shared one of unknown places.
const (
	deviceCookie  = "mall_device"
	deviceLength  = 24                // characters: 18 random bytes in base64
	deviceSeconds = 90 * 24 * 60 * 60 // as long as the binding remembers a place
)

// forwardSignIn forwards a sign-in within the limits of the client and of the account that it names. One without an
// email names no account; the service refuses it.
func (g *Gateway) forwardSignIn(c *gin.Context, client string, out call) error {
	// a client that disconnects has still made a try
	ctx, email := context.WithoutCancel(c.Request.Context()), emailIn(out.body)
	if email == "" {
		return g.forwardLimitedByAddress(c, client, out)
	}
	attempt, ok, retry := g.Limits.SignIn.Begin(ctx, limit.Client{Address: client, Device: deviceOf(c)}, email)
	if !ok {
		g.Metrics.limited.WithLabelValues("signin").Inc()
		return errTooManyRequests(retry)
	}
	err := g.Proxy.Forward(c.Writer, c.Request, out)
	outcome := limit.NotChecked
	switch {
	case errors.Is(err, errClientLeft): // the client disconnected
		outcome = limit.Failed
	case err != nil: // no answer: the password may not have been checked
	case c.Writer.Status() == http.StatusCreated:
		outcome = limit.SignedIn
	case c.Writer.Status() == http.StatusUnauthorized:
		outcome = limit.Failed
	}
	attempt.End(ctx, outcome)
	return err
}

// forwardLimitedByAddress forwards a request of class RateAddress. After a sign-up the account knows the client's
// address.
func (g *Gateway) forwardLimitedByAddress(c *gin.Context, client string, out call) error {
	ctx := context.WithoutCancel(c.Request.Context())
	if ok, retry := g.Limits.SignIn.TakeForAddress(ctx, client); !ok {
		g.Metrics.limited.WithLabelValues("signin").Inc()
		return errTooManyRequests(retry)
	}
	err := g.Proxy.Forward(c.Writer, c.Request, out)
	if err == nil && out.route.Rate == RateAddress && c.Writer.Status() == http.StatusCreated {
		g.Limits.SignIn.Remember(ctx, limit.Client{Address: client}, emailIn(out.body))
	}
	return err
}

// forwardLimitedByPassword forwards a request with the signed-in user's password. The limit keeps the holder of a
// stolen token from guessing it.
func (g *Gateway) forwardLimitedByPassword(c *gin.Context, out call) error {
	if ok, retry := g.Limits.SignIn.TakeForPassword(context.WithoutCancel(c.Request.Context()), out.user); !ok {
		g.Metrics.limited.WithLabelValues("password").Inc()
		return errTooManyRequests(retry)
	}
	return g.Proxy.Forward(c.Writer, c.Request, out)
}

// deviceOf returns the client's device cookie, and sets a new one if there is none.
func deviceOf(c *gin.Context) string {
	if known, err := c.Request.Cookie(deviceCookie); err == nil && len(known.Value) == deviceLength {
		return known.Value
	}
	random := make([]byte, deviceLength*3/4)
	_, _ = rand.Read(random) // never fails
	value := base64.RawURLEncoding.EncodeToString(random)
	//nolint:gosec // not Secure: TLS may end at a proxy before the gateway, and a stolen cookie lets nobody in
	http.SetCookie(c.Writer, &http.Cookie{Name: deviceCookie, Value: value, Path: "/v1/sessions", MaxAge: deviceSeconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return value
}

// emailIn returns the email in a body, in the form in which the user service keeps emails, "" if there is none: all
// spellings of one mailbox share their limits.
func emailIn(body []byte) string {
	var b struct {
		Email string `json:"email"`
	}
	if json.Unmarshal(body, &b) != nil { // the service will refuse it
		return ""
	}
	email := strings.ToLower(strings.TrimSpace(b.Email))
	if forms := mailbox.Forms(email); len(forms) > 0 {
		return forms[0]
	}
	return email
}

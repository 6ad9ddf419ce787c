// Package apiclient speaks the mall's REST API as a client would: the end-to-end tests, the demo data and the load test
// use it.
package apiclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Password is what every account has that this package signs up.
const Password = "Mall-demo-2026" //nolint:gosec // of demo accounts, printed on every start

// Client is a client of the API: anonymous, or signed in with a token.
type Client struct {
	Base  string // http://127.0.0.1:8080
	HTTP  *http.Client
	Token string
	// Renew returns the token of now, if set: for a client that is used longer than a token is good.
	Renew func(ctx context.Context) (token string, err error)
	// Seen is called with every answer, if set: the end-to-end tests hold each against openapi.yaml.
	Seen func(req *http.Request, body []byte, a Answer)
}

// New makes a client with connections for a crowd.
func New(base string) *Client {
	return &Client{Base: base, HTTP: &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: time.Minute}}}
}

// As returns the same client with another token.
func (c *Client) As(token string) *Client {
	other := *c
	other.Token, other.Renew = token, nil
	return &other
}

// Bearer returns the token that Do sends, "" for an anonymous client.
func (c *Client) Bearer(ctx context.Context) (string, error) {
	if c.Renew != nil {
		return c.Renew(ctx)
	}
	return c.Token, nil
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Code returns the code of a problem, "" for anything else.
func (a Answer) Code() string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.Body, &p)
	return p.Code
}

// Into reads the body.
func (a Answer) Into(v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("answer %d %.200s: %w", a.Status, a.Body, err)
	}
	return nil
}

func (a Answer) String() string { return fmt.Sprintf("%d %.400s", a.Status, a.Body) }

// Do sends a request: body may be nil, raw bytes, or anything that becomes JSON; headers are name, value pairs.
func (c *Client) Do(ctx context.Context, method, path string, body any, headers ...string) (Answer, error) {
	var raw []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		raw = b
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			return Answer{}, err
		}
	}
	var reader io.Reader
	if raw != nil {
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, reader)
	if err != nil {
		return Answer{}, err
	}
	if raw != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	token, err := c.Bearer(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("renew the token: %w", err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	answer := Answer{Status: res.StatusCode, Header: res.Header}
	read := io.ReadAll
	if res.Header.Get("Content-Type") == eventStream { // it may never end
		read = firstEvent
	}
	if answer.Body, err = read(res.Body); err != nil {
		return answer, err
	}
	if c.Seen != nil {
		c.Seen(req, raw, answer)
	}
	return answer, nil
}

// Want is Do that wants a status and reads the answer into out (nil: ignored).
func (c *Client) Want(ctx context.Context, status int, method, path string, body, out any, headers ...string) error {
	a, err := c.Do(ctx, method, path, body, headers...)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if a.Status != status {
		return fmt.Errorf("%s %s: %s, want %d", method, path, a, status)
	}
	if out == nil {
		return nil
	}
	return a.Into(out)
}

// Key makes an Idempotency-Key.
func Key() string { return rand.Text() }

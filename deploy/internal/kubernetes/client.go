// Package kubernetes makes, inside a cluster, what the mall's chart cannot: Secrets that nobody has seen, and what
// stores need. It knows a handful of requests of the Kubernetes API and no more.
package kubernetes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// account is where Kubernetes puts what a pod needs to speak with the API, see "Accessing the Kubernetes API from a
// Pod" in its documentation.
const account = "/var/run/secrets/kubernetes.io/serviceaccount"

// Client asks the API about one namespace.
type Client struct {
	base, token, namespace string
	http                   *http.Client
}

// InCluster is a client for the pod that this program runs in.
func InCluster(namespace string) (*Client, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("this is no pod of a Kubernetes cluster")
	}
	token, err := os.ReadFile(filepath.Join(account, "token"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(authority) {
		return nil, errors.New("the cluster's authority is no certificate")
	}
	return &Client{"https://" + net.JoinHostPort(host, port), strings.TrimSpace(string(token)), namespace, &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}},
	}}, nil
}

// Secret is a Secret of the namespace, as the API has it.
type Secret struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels,omitempty"`
	} `json:"metadata"`
	Data map[string][]byte `json:"data,omitempty"` // in base64 on its way, as encoding/json has it
}

// Get returns a Secret, or nil if there is none.
func (c *Client) Get(ctx context.Context, name string) (*Secret, error) {
	var s Secret
	err := c.do(ctx, http.MethodGet, "/"+name, "", nil, &s)
	var refused *refusedError
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return nil, nil //nolint:nilnil // as documented
	}
	return &s, err
}

// Create makes a Secret; one with its name is an error.
func (c *Client) Create(ctx context.Context, s Secret) error {
	return c.do(ctx, http.MethodPost, "", "application/json", s, nil)
}

// Merge sets values of a Secret and leaves its others.
func (c *Client) Merge(ctx context.Context, name string, data map[string][]byte) error {
	return c.do(ctx, http.MethodPatch, "/"+name, "application/merge-patch+json", map[string]any{"data": data}, nil)
}

// refusedError is an answer other than 2xx.
type refusedError struct {
	request string
	status  int
	message string
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("Kubernetes refused %s: %d %s", e.request, e.status, e.message)
}

func (c *Client) do(ctx context.Context, method, path, kind string, in, out any) error {
	path = "/api/v1/namespaces/" + c.namespace + "/secrets" + path
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", kind)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		var status struct{ Message string }
		_ = json.Unmarshal(raw, &status)
		return &refusedError{method + " " + path, res.StatusCode, status.Message}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

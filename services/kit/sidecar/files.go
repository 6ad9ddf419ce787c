package sidecar

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	dapr "github.com/dapr/go-sdk/client"

	"daprmall.dev/services/kit/problem"
)

// filePatience is how long a store of files may take.
const filePatience = 15 * time.Second

// ErrNoFile means that a binding has no file of this name.
var ErrNoFile = errors.New("no such file")

var errNoSuchOperation = errors.New("not an operation of this binding")

// WriteFile keeps a file in a binding: a folder or a bucket. It replaces one of the same name.
func (c *Client) WriteFile(ctx context.Context, binding, name string, content []byte) error {
	_, err := c.file(ctx, binding, "create", name, content)
	return err
}

// ReadFile returns a file of a binding, or ErrNoFile. A binding that can only write has a second one to read from,
// <binding>-read.
func (c *Client) ReadFile(ctx context.Context, binding, name string) ([]byte, error) {
	if _, yes := c.writeOnly.Load(binding); !yes {
		content, err := c.file(ctx, binding, "get", name, nil)
		if !errors.Is(err, errNoSuchOperation) {
			return content, err
		}
		c.writeOnly.Store(binding, nil)
	}
	return c.file(ctx, binding+"-read", "get", name, nil)
}

func (c *Client) file(ctx context.Context, binding, operation, name string, content []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, filePatience)
	defer cancel()
	// bindings.localstorage reads fileName, bindings.aws.s3 reads key.
	out, err := c.grpc.InvokeBinding(ctx, &dapr.InvokeBindingRequest{Name: binding, Operation: operation, Data: content,
		Metadata: map[string]string{"fileName": name, "key": name}})
	switch {
	case err == nil && out == nil:
		return nil, nil
	case err == nil:
		return out.Data, nil
	// The texts of the two bindings (components-contrib 1.18): they have no code for it.
	case strings.Contains(err.Error(), "file not found") || strings.Contains(err.Error(), "object not found"):
		return nil, ErrNoFile
	case strings.Contains(err.Error(), "does not support operation"): // Dapr 1.18
		return nil, fmt.Errorf("binding %s: %s: %w", binding, operation, errNoSuchOperation)
	}
	return nil, problem.NewUnavailable(fmt.Errorf("binding %s: %s: %w", binding, operation, err), time.Second,
		"Files cannot be kept or read right now.")
}

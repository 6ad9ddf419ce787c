package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/redis"
)

// answerWithin bounds a check.
const answerWithin = 3 * time.Second

func healthyCommand() *cobra.Command {
	var passwordFile string
	c := &cobra.Command{Use: "healthy <url>", Args: cobra.ExactArgs(1),
		Short: "Exit with 0 if a server answers: http://…, redis://host:port, tcp://host:port or unix:///path"}
	c.Flags().StringVar(&passwordFile, "password-file", "", "the password of Redis")
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), answerWithin)
		defer cancel()
		at, err := url.Parse(args[0])
		if err != nil {
			return err
		}
		switch at.Scheme {
		case "http":
			return answers(ctx, at.String())
		case "redis":
			return pong(ctx, at.Host, passwordFile)
		case "tcp":
			return listens(ctx, "tcp", at.Host)
		case "unix":
			return listens(ctx, "unix", at.Path)
		}
		return fmt.Errorf("%s: cannot ask %q", args[0], at.Scheme)
	}
	return c
}

// answers reports whether the answer's status says that all is well. What else it says is shown by `docker inspect`.
func answers(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode/100 == 2 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	return fmt.Errorf("%s: %s", resp.Status, body)
}

func pong(ctx context.Context, addr, passwordFile string) error {
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return err
	}
	c := redis.Open(addr, strings.TrimSpace(string(password)))
	defer c.Close() //nolint:errcheck // nothing was written
	return c.Ping(ctx).Err()
}

func listens(ctx context.Context, network, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
